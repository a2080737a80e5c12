"""What the sweeper asks the room for, and what there is to ask.

An ask is stored before its command is written and goes once the command has its outcome: whatever is then
still due is asked again, under another id.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from messaging.database import Connection

_RECENTLY = timedelta(seconds=60)
_PATIENCE = timedelta(seconds=30)
_PAUSE = timedelta(seconds=2)


class Due(NamedTuple):
    """Something to ask for; `subject` is the invitation to expire, or the user to exclude."""

    lane: int
    command: Literal["ExpireInvitation", "ExcludeUser"]
    room_id: str
    subject: str


class Ask(NamedTuple):
    """What is asked for under this command id."""

    due: Due
    command_id: str


async def overdue(connection: Connection, lanes: Collection[int], at: str, limit: int) -> list[Due]:
    """Return pending invitations whose time is over and that were not asked for, so many a lane."""
    rows = await connection.fetch(
        """
        SELECT due.lane, 'ExpireInvitation', due.room_id, due.invitation_id
        FROM unnest($1::int[]) AS ours (lane), LATERAL (
            SELECT * FROM pending
            WHERE pending.lane = ours.lane AND pending.expires_at <= $2 AND NOT EXISTS (
                SELECT FROM asks
                WHERE asks.lane = pending.lane AND asks.command = 'ExpireInvitation'
                    AND asks.room_id = pending.room_id AND asks.subject = pending.invitation_id
            )
            ORDER BY pending.expires_at LIMIT $3
        ) AS due
        """,
        list(lanes),
        at,
        limit,
    )
    return [Due(*row) for row in rows]


async def barred_lately(connection: Connection, lanes: Collection[int], limit: int) -> list[Due]:
    """Return whoever is on a stage or asked to it though they were barred lately, and was not asked for."""
    rows = await connection.fetch(
        """
        WITH barred AS MATERIALIZED (
            SELECT user_id FROM users WHERE status <> 'active' AND changed_at > now() - $2::interval
        ), involved AS (
            SELECT lane, room_id, user_id FROM barred JOIN pending USING (user_id)
            UNION SELECT lane, room_id, user_id FROM barred JOIN seats USING (user_id)
        )
        SELECT lane, 'ExcludeUser', room_id, user_id FROM involved
        WHERE lane = ANY($1::int[]) AND NOT EXISTS (
            SELECT FROM asks
            WHERE asks.lane = involved.lane AND asks.command = 'ExcludeUser'
                AND asks.room_id = involved.room_id AND asks.subject = involved.user_id
        )
        LIMIT $3
        """,
        list(lanes),
        _RECENTLY,
        limit,
    )
    return [Due(*row) for row in rows]


async def barred(connection: Connection, lanes: Collection[int], limit: int) -> list[Due]:
    """Return the same whenever they were barred, from a look at all that the lanes hold."""
    rows = await connection.fetch(
        """
        WITH involved AS (
            SELECT lane, room_id, user_id FROM pending WHERE lane = ANY($1::int[])
            UNION SELECT lane, room_id, user_id FROM seats WHERE lane = ANY($1::int[])
        )
        SELECT involved.lane, 'ExcludeUser', room_id, user_id
        FROM involved JOIN users USING (user_id)
        WHERE users.status <> 'active' AND NOT EXISTS (
            SELECT FROM asks
            WHERE asks.lane = involved.lane AND asks.command = 'ExcludeUser'
                AND asks.room_id = involved.room_id AND asks.subject = involved.user_id
        )
        LIMIT $2
        """,
        list(lanes),
        limit,
    )
    return [Due(*row) for row in rows]


async def add(connection: Connection, asks: Sequence[Ask]) -> None:
    """Store what is going to be asked."""
    await connection.execute(
        """
        INSERT INTO asks (lane, command, room_id, subject, command_id)
        SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[])
        ON CONFLICT DO NOTHING
        """,
        [ask.due.lane for ask in asks],
        [ask.due.command for ask in asks],
        [ask.due.room_id for ask in asks],
        [ask.due.subject for ask in asks],
        [ask.command_id for ask in asks],
    )


async def waiting(connection: Connection, lanes: Collection[int], limit: int) -> list[Ask]:
    """Return what is to be written now: what never was, and what has found no outcome for half a minute."""
    rows = await connection.fetch(
        """
        SELECT lane, command, room_id, subject, command_id FROM asks
        WHERE lane = ANY($1::int[]) AND coalesce(asked_at < now() - $2::interval, true)
        LIMIT $3
        """,
        list(lanes),
        _PATIENCE,
        limit,
    )
    return [Ask(Due(*due), command_id) for *due, command_id in rows]


async def written(connection: Connection, asks: Sequence[Ask]) -> None:
    """Note that these are on their topic."""
    await connection.execute(
        """
        UPDATE asks SET asked_at = now()
        FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[])
            AS done (lane, command, room_id, subject, command_id)
        WHERE asks.lane = done.lane AND asks.command = done.command AND asks.room_id = done.room_id
            AND asks.subject = done.subject AND asks.command_id = done.command_id
        """,
        [ask.due.lane for ask in asks],
        [ask.due.command for ask in asks],
        [ask.due.room_id for ask in asks],
        [ask.due.subject for ask in asks],
        [ask.command_id for ask in asks],
    )


async def forget_decided(connection: Connection, lanes: Collection[int]) -> None:
    """Forget what has its outcome, but not at once: it may be due by our clock and not by the broker's."""
    await connection.execute(
        """
        DELETE FROM asks USING outcomes
        WHERE asks.lane = ANY($1::int[]) AND asks.asked_at < now() - $2::interval
            AND outcomes.id = asks.command_id
        """,
        list(lanes),
        _PAUSE,
    )
