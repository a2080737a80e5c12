"""Commands that the sweeper schedules, and the queries that find what is due.

A command is stored before it is published and deleted once it has an outcome. An item that is still due then
is scheduled again under another command id.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from messaging.database import Connection

_RECENTLY = timedelta(seconds=60)
_PATIENCE = timedelta(seconds=30)
_PAUSE = timedelta(seconds=2)


class Due(NamedTuple):
    """Something that is due; `subject` is the id of the invitation to expire or of the user to exclude."""

    lane: int
    command: Literal["ExpireInvitation", "ExcludeUser"]
    room_id: str
    subject: str


class Ask(NamedTuple):
    """A due item and the id of its command."""

    due: Due
    command_id: str


async def overdue(connection: Connection, lanes: Collection[int], at: str, limit: int) -> list[Due]:
    """Return overdue invitations without a scheduled command, at most `limit` per lane."""
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
    """Return recently ineligible users with a pending invitation or seat and no scheduled exclusion."""
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
    """Return all such users however long ineligible, from a scan of all that the lanes hold."""
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
    """Store commands that are going to be published."""
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
    """Return commands that were never published, or were published over 30 s ago without an outcome."""
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
    """Mark commands as published."""
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
    """Delete commands with an outcome after 2 s: an item may be due by our clock but not by the broker's."""
    await connection.execute(
        """
        DELETE FROM asks USING outcomes
        WHERE asks.lane = ANY($1::int[]) AND asks.asked_at < now() - $2::interval
            AND outcomes.id = asks.command_id
        """,
        list(lanes),
        _PAUSE,
    )
