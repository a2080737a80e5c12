"""Commands that the sweeper schedules, and the queries that find what is due.

A command is stored before it is published and deleted once it has an outcome. An item that is still due then
is scheduled again under another command id.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from messaging.database import Connection

_RECENT_CHANGE = timedelta(seconds=60)
_RETRY_AFTER = timedelta(seconds=30)
_DELETE_AFTER = timedelta(seconds=2)


class DueItem(NamedTuple):
    """A due command; `subject` is the id of the invitation to expire or of the user to exclude.

    `correlation` is the column of the invitation that is to expire.
    """

    lane: int
    command: Literal["ExpireInvitation", "ExcludeUser"]
    room_id: str
    subject: str
    correlation: str | None = None


class ScheduledCommand(NamedTuple):
    """A due item and the id of its command."""

    item: DueItem
    command_id: str


async def overdue_invitations(
    connection: Connection, lanes: Collection[int], at: str, limit: int
) -> list[DueItem]:
    """Return overdue invitations without a scheduled command, at most `limit` per lane."""
    rows = await connection.fetch(
        """
        SELECT due.lane, 'ExpireInvitation', due.room_id, due.invitation_id, due.correlation
        FROM unnest($1::int[]) AS owned (lane), LATERAL (
            SELECT * FROM pending
            WHERE pending.lane = owned.lane AND pending.expires_at <= $2 AND NOT EXISTS (
                SELECT FROM scheduled_commands AS s
                WHERE s.lane = pending.lane AND s.command = 'ExpireInvitation'
                    AND s.room_id = pending.room_id AND s.subject = pending.invitation_id
            )
            ORDER BY pending.expires_at LIMIT $3
        ) AS due
        """,
        list(lanes),
        at,
        limit,
    )
    return [DueItem(*row) for row in rows]


async def recently_ineligible(connection: Connection, lanes: Collection[int], limit: int) -> list[DueItem]:
    """Return recently ineligible users with a pending invitation or seat and no scheduled exclusion."""
    rows = await connection.fetch(
        """
        WITH ineligible AS MATERIALIZED (
            SELECT user_id FROM users WHERE status <> 'active' AND changed_at > now() - $2::interval
        ), involved AS (
            SELECT lane, room_id, user_id FROM ineligible JOIN pending USING (user_id)
            UNION SELECT lane, room_id, user_id FROM ineligible JOIN seats USING (user_id)
        )
        SELECT lane, 'ExcludeUser', room_id, user_id FROM involved
        WHERE lane = ANY($1::int[]) AND NOT EXISTS (
            SELECT FROM scheduled_commands AS s
            WHERE s.lane = involved.lane AND s.command = 'ExcludeUser'
                AND s.room_id = involved.room_id AND s.subject = involved.user_id
        )
        LIMIT $3
        """,
        list(lanes),
        _RECENT_CHANGE,
        limit,
    )
    return [DueItem(*row) for row in rows]


async def all_ineligible(connection: Connection, lanes: Collection[int], limit: int) -> list[DueItem]:
    """Return the same for users ineligible for any time, from a scan of the lanes' invitations and seats."""
    rows = await connection.fetch(
        """
        WITH involved AS (
            SELECT lane, room_id, user_id FROM pending WHERE lane = ANY($1::int[])
            UNION SELECT lane, room_id, user_id FROM seats WHERE lane = ANY($1::int[])
        )
        SELECT involved.lane, 'ExcludeUser', room_id, user_id
        FROM involved JOIN users USING (user_id)
        WHERE users.status <> 'active' AND NOT EXISTS (
            SELECT FROM scheduled_commands AS s
            WHERE s.lane = involved.lane AND s.command = 'ExcludeUser'
                AND s.room_id = involved.room_id AND s.subject = involved.user_id
        )
        LIMIT $2
        """,
        list(lanes),
        limit,
    )
    return [DueItem(*row) for row in rows]


async def add_commands(connection: Connection, scheduled: Sequence[ScheduledCommand]) -> None:
    """Store commands that are going to be published."""
    await connection.execute(
        """
        INSERT INTO scheduled_commands (lane, command, room_id, subject, command_id, correlation)
        SELECT lane, command, room_id, subject, command_id, correlation::jsonb
        FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            AS new (lane, command, room_id, subject, command_id, correlation)
        ON CONFLICT DO NOTHING
        """,
        *_columns(scheduled),
        [item.correlation for item, _ in scheduled],
    )


async def commands_to_publish(
    connection: Connection, lanes: Collection[int], limit: int
) -> list[ScheduledCommand]:
    """Return commands that were never published, or were published over 30 s ago without an outcome."""
    rows = await connection.fetch(
        """
        SELECT lane, command, room_id, subject, correlation, command_id FROM scheduled_commands AS s
        WHERE lane = ANY($1::int[]) AND coalesce(published_at < now() - $2::interval, true)
        LIMIT $3
        """,
        list(lanes),
        _RETRY_AFTER,
        limit,
    )
    return [ScheduledCommand(DueItem(*due), command_id) for *due, command_id in rows]


async def mark_published(connection: Connection, published: Sequence[ScheduledCommand]) -> None:
    """Mark commands as published."""
    await connection.execute(
        """
        UPDATE scheduled_commands AS s SET published_at = now()
        FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[])
            AS done (lane, command, room_id, subject, command_id)
        WHERE s.lane = done.lane AND s.command = done.command AND s.room_id = done.room_id
            AND s.subject = done.subject AND s.command_id = done.command_id
        """,
        *_columns(published),
    )


async def delete_decided(connection: Connection, lanes: Collection[int]) -> None:
    """Delete commands with an outcome after 2 s: an item may be due by our clock but not by the broker's."""
    await connection.execute(
        """
        DELETE FROM scheduled_commands AS s USING outcomes
        WHERE s.lane = ANY($1::int[]) AND s.published_at < now() - $2::interval
            AND outcomes.id = s.command_id
        """,
        list(lanes),
        _DELETE_AFTER,
    )


def _columns(commands: Sequence[ScheduledCommand]) -> tuple[list[object], ...]:
    """Return the columns lane, command, room id, subject and command id."""
    rows = [(*item[:4], command_id) for item, command_id in commands]
    return tuple([row[number] for row in rows] for number in range(5))
