"""Fills a service's tables with what it would have stored by now, many times faster than by commands.

Every row is as the service writes it, except that offsets of the past are below zero: the topics are empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg

from bench.workload.simulated_room import BANNED_USER, MAX_CO_HOSTS
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS

USERS_A_ROOM = 8

_OLD = "2026-01-01T00:00:00.000Z"
_STANDING = 50
"""One room in this many has a pending invitation and a co-host."""

_HISTORY_SECONDS = 300 * 86_400
_RECENT_SHARE = 10
"""One invitation in this many is so recent that its commands' outcomes are still stored."""


@dataclass(frozen=True)
class StoredSize:
    """The numbers of stored invitations and rooms; there are as many users as rooms."""

    invitations: int
    rooms: int


def room_name(number: int) -> str:
    """Return the id of a stored room."""
    return f"room-{number}"


def users_of_room(number: int, size: StoredSize) -> list[str]:
    """Return the users of a room; other rooms have the same ones."""
    return [f"user-{(number * USERS_A_ROOM + seat) % size.rooms}" for seat in range(USERS_A_ROOM)]


async def fill_tables(connection: asyncpg.Connection, size: StoredSize) -> None:
    """Fill the empty tables of invitations, whose schema must be the connection's search path."""
    await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'")
    await connection.copy_records_to_table("rooms", columns=_ROOM_COLUMNS, records=_room_rows(size))
    await connection.copy_records_to_table("users", columns=_USER_COLUMNS, records=_user_rows(size))
    await connection.execute(
        "INSERT INTO room_hosts (room_id, sequence, since, host_id)"
        " SELECT room_id, 0, changed_at, host_id FROM rooms"
    )
    indexes = await _drop_indexes(connection)
    await connection.execute(_INSERT_CLOSED, size.invitations, size.rooms, _HISTORY_SECONDS, timeout=1800)
    for statement in indexes:
        await connection.execute(statement, timeout=1800)
    for statement in (_INSERT_OUTCOMES, _INSERT_PENDING, _INSERT_SEATS):
        await connection.execute(statement, timeout=1800)
    await connection.execute("VACUUM (ANALYZE)", timeout=1800)
    await connection.execute("CHECKPOINT", timeout=1800)


async def _drop_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drop the primary key and indexes of the invitations; return the statements that make them again."""
    rows = await connection.fetch(
        """
        SELECT pg_get_indexdef(indexrelid) AS definition, indexrelid::regclass::text AS name,
            pg_get_constraintdef(c.oid) AS key, conname
        FROM pg_index LEFT JOIN pg_constraint AS c ON conindid = indexrelid
        WHERE indrelid = 'invitations'::regclass
        """
    )
    for row in rows:
        await connection.execute(
            f"ALTER TABLE invitations DROP CONSTRAINT {row['conname']}"
            if row["key"]
            else f"DROP INDEX {row['name']}"
        )
    return [
        f"ALTER TABLE invitations ADD CONSTRAINT {row['conname']} {row['key']}"
        if row["key"]
        else row["definition"]
        for row in rows
    ]


_ROOM_COLUMNS = (
    *("room_id", "lane", "position", "incarnation", "deleted"),
    *("host_id", "status", "max_co_hosts", "title", "changed_at"),
)
_USER_COLUMNS = ("user_id", "lane", "position", "status", "can_receive_invitations", "blocked_user_ids")


def _room_rows(size: StoredSize) -> Iterator[tuple[object, ...]]:
    for number in range(size.rooms):
        room_id = room_name(number)
        # The co-host of before takes none of the seats that the traffic counts on.
        seats = MAX_CO_HOSTS + (number % _STANDING == 0)
        yield (
            *(room_id, partition_of(room_id, DEFAULT_PARTITIONS), number - size.rooms, 0, False),
            *(f"host-{room_id}", "live", seats, None, _OLD),
        )


def _user_rows(size: StoredSize) -> Iterator[tuple[object, ...]]:
    for user_id, status in (
        *((f"user-{number}", "active") for number in range(size.rooms)),
        (BANNED_USER, "banned"),
    ):
        yield user_id, partition_of(user_id, DEFAULT_PARTITIONS), -1, status, True, []


_FORMAT = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
_INSERT_CLOSED = f"""
    INSERT INTO invitations (
        invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, responded_at, updated_at,
        close_reason, lane, incarnation, position
    )
    SELECT uuidv7(age)::text, r.room_id, 'user-' || (i * 31 + i / $2) % $2, r.host_id, made.status, sent,
        to_char(minute + interval '1 minute', {_FORMAT}),
        CASE WHEN made.status IN ('accepted', 'rejected') THEN answered END, answered,
        CASE made.status WHEN 'cancelled' THEN 'cancelled_by_host' WHEN 'expired' THEN 'expired' END,
        r.lane, 0, i - $1 - 1
    FROM generate_series(1, $1::bigint) AS i
    CROSS JOIN LATERAL (
        SELECT make_interval(secs => -1 - (($1 - i) * $3::float8 / $1)) AS age,
            (ARRAY['accepted', 'rejected', 'cancelled', 'expired', 'accepted'])[i % 5 + 1] AS status
    ) AS made
    CROSS JOIN LATERAL (SELECT date_trunc('minute', now() + age) AT TIME ZONE 'UTC' AS minute) AS begun
    CROSS JOIN LATERAL (SELECT to_char(minute, {_FORMAT}) AS sent) AS written
    CROSS JOIN LATERAL (SELECT left(sent, 17) || '09.000Z' AS answered) AS later
    JOIN rooms AS r ON r.room_id = 'room-' || (i * 7919) % $2
"""  # noqa: S608 - of this module
_INSERT_OUTCOMES = f"""
    INSERT INTO outcomes (id, type, decided_at, room_id, invitation_id, actor_id, events)
    SELECT id, 'cohost.' || name || '.v1', i.updated_at::timestamptz, room_id, invitation_id, actor, event
    FROM invitations AS i, LATERAL (
        VALUES (invitation_id, 'SendInvitation', invited_by, 'InvitationSent'),
            (uuidv7()::text, 'AcceptInvitation', user_id, 'InvitationAccepted')
    ) AS command (id, name, actor, event)
    WHERE position >= -1 - (SELECT count(*) FROM invitations) / {_RECENT_SHARE}
"""  # noqa: S608 - of this module
_INSERT_PENDING = f"""
    WITH added AS (
        INSERT INTO invitations (
            invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, updated_at,
            lane, incarnation, position
        )
        SELECT uuidv7()::text, room_id, 'waiting-' || room_id, host_id, 'pending', sent, to_char(
            (now() + interval '1 day') AT TIME ZONE 'UTC', {_FORMAT}
        ), sent, lane, 0, -1
        FROM rooms, to_char(now() AT TIME ZONE 'UTC', {_FORMAT}) AS sent
        WHERE max_co_hosts > {MAX_CO_HOSTS}
        RETURNING *
    )
    INSERT INTO pending (room_id, user_id, lane, invitation_id, expires_at)
    SELECT room_id, user_id, lane, invitation_id, expires_at FROM added
"""  # noqa: S608 - of this module
_INSERT_SEATS = f"""
    INSERT INTO seats (room_id, user_id, lane, position, invitation_id, since)
    SELECT room_id, 'seated-' || room_id, lane, -1, uuidv7()::text, '{_OLD}'
    FROM rooms WHERE max_co_hosts > {MAX_CO_HOSTS}
"""  # noqa: S608 - of this module
INSERT_CROWD = f"""
    WITH added AS (
        INSERT INTO invitations (
            invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, updated_at,
            lane, incarnation, position
        )
        SELECT id, room_id, user_id, host_id, 'pending', sent, to_char(
            (now() + interval '1 day') AT TIME ZONE 'UTC', {_FORMAT}
        ), sent, lane, 0, -1
        FROM rooms, unnest($2::text[], $3::text[]) AS invited (user_id, id),
            to_char(now() AT TIME ZONE 'UTC', {_FORMAT}) AS sent
        WHERE room_id = $1
        RETURNING *
    )
    INSERT INTO pending (room_id, user_id, lane, invitation_id, expires_at)
    SELECT room_id, user_id, lane, invitation_id, expires_at FROM added
"""  # noqa: S608 - of this module
"""Adds pending invitations to a room; their users and ids are parameters."""
