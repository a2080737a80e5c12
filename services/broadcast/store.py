"""Stages in Postgres: written by the processor, queried by the effects and HTTP."""

from collections.abc import Iterable, Sequence

import asyncpg
from pydantic import TypeAdapter

from messaging.database import Connection
from services.broadcast.batch_changes import BatchChanges, MemberInRoom
from services.broadcast.domain import permissions
from services.broadcast.domain.state import CoHostState, Member, MemberKey, Room, Stage, trouble

_room_adapter = TypeAdapter(Room)
_member_adapter = TypeAdapter(Member)


async def load_stages(connection: Connection, room_ids: Sequence[str]) -> dict[str, Stage]:
    """Return the stages of the rooms that exist, by room id."""
    rows = await connection.fetch(
        """
        SELECT rooms.document, ARRAY(
            SELECT members.document::text FROM members WHERE members.room_id = rooms.room_id
        ) AS members
        FROM unnest($1::text[]) AS wanted (room_id) JOIN rooms USING (room_id)
        """,
        room_ids,
    )
    return {stage.room.room_id: stage for stage in map(_read_stage, rows)}


async def save_changes(connection: Connection, changes: BatchChanges) -> None:
    """Write a batch's changes."""
    await _save_rooms(connection, list(changes.rooms.values()))
    await _delete_members(connection, [key for key, (_, member) in changes.members.items() if member is None])
    await _save_members(
        connection,
        [
            (key.room_id, lane, member)
            for key, (lane, member) in changes.members.items()
            if member is not None
        ],
    )


async def find_work(
    connection: Connection, keys: Sequence[MemberKey]
) -> tuple[list[Room], list[MemberInRoom]]:
    """Return the rooms to delete and the members out of sync among these keys."""
    rooms = await connection.fetch(
        "SELECT document FROM rooms WHERE deletion_pending AND room_id = ANY($1::text[])",
        [key.room_id for key in keys if not key.user_id],
    )
    members = await _fetch_members(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM unnest($1::text[], $2::text[]) AS wanted (room_id, user_id)
        JOIN members USING (room_id, user_id) JOIN rooms USING (room_id)
        WHERE members.out_of_sync AND rooms.can_apply_rights
        """,
        [key.room_id for key in keys],
        [key.user_id for key in keys],
    )
    return [_room_adapter.validate_json(row["document"]) for row in rooms], members


async def rooms_to_delete(connection: Connection, lanes: Sequence[int], after: str, limit: int) -> list[Room]:
    """Return rooms after room id `after` whose LiveKit room is to be deleted, in order."""
    rows = await connection.fetch(
        "SELECT document FROM rooms WHERE deletion_pending AND lane = ANY($1::int[]) AND room_id > $2"
        " ORDER BY room_id LIMIT $3",
        lanes,
        after,
        limit,
    )
    return [_room_adapter.validate_json(row["document"]) for row in rows]


async def members_out_of_sync(
    connection: Connection, lanes: Sequence[int], after: MemberKey, limit: int
) -> list[MemberInRoom]:
    """Return members after the key `after` with work on LiveKit, in order."""
    return await _fetch_members(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.out_of_sync AND members.lane = ANY($1::int[])
          AND (members.room_id, members.user_id) > ($2, $3) AND rooms.can_apply_rights
        ORDER BY members.room_id, members.user_id LIMIT $4
        """,
        lanes,
        *after,
        limit,
    )


async def count_out_of_sync(connection: Connection) -> int:
    """Return the number of members and rooms that LiveKit is out of sync with, in all lanes."""
    count = await connection.fetchval(
        "SELECT (SELECT count(*) FROM members WHERE out_of_sync)"
        " + (SELECT count(*) FROM rooms WHERE deletion_pending)"
    )
    return int(count)


async def count_co_hosts(connection: Connection, lanes: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the numbers of co-hosts by lane and state, as `Member.co_host_states` has them."""
    rows = await connection.fetch(
        """
        SELECT lane, count(*) FILTER (WHERE connected AND NOT release_pending) AS connected,
            count(*) FILTER (
                WHERE document #>> '{presence,grace_ends_at}' IS NOT NULL AND NOT release_pending
            ) AS in_grace,
            count(*) FILTER (WHERE document #> '{seat,hard_muted,0}' IS NOT NULL) AS hard_muted
        FROM members WHERE lane = ANY($1::int[]) AND document ->> 'seat' IS NOT NULL
        GROUP BY lane
        """,
        lanes,
    )
    return {
        lane: {"connected": connected, "in_grace": in_grace, "hard_muted": hard_muted}
        for lane, connected, in_grace, hard_muted in rows
    }


async def rooms_to_resync(
    connection: Connection, lanes: Sequence[int], livekit_rooms: Sequence[str]
) -> set[str]:
    """Return the rooms of these lanes that are in `livekit_rooms` or have a connected member."""
    rows = await connection.fetch(
        """
        SELECT room_id FROM unnest($2::text[]) AS there (room_id) JOIN rooms USING (room_id)
        WHERE lane = ANY($1::int[])
        UNION
        SELECT room_id FROM members WHERE connected AND lane = ANY($1::int[])
        """,
        lanes,
        livekit_rooms,
    )
    return {row["room_id"] for row in rows}


async def rooms_with_disguised_tracks(connection: Connection, lanes: Sequence[int]) -> set[str]:
    """Return the rooms of these lanes where a hard mute covers tracks of another source."""
    rows = await connection.fetch(
        "SELECT DISTINCT room_id FROM members WHERE has_disguised_tracks AND lane = ANY($1::int[])", lanes
    )
    return {row["room_id"] for row in rows}


async def rooms_with_ended_rights(connection: Connection, lanes: Sequence[int], since: str) -> set[str]:
    """Return the open rooms of these lanes where a seat or the previous host's rights ended after `since`."""
    rows = await connection.fetch(
        "SELECT room_id FROM rooms WHERE lane = ANY($1::int[]) AND rights_ended_at > $2 AND can_apply_rights",
        lanes,
        since,
    )
    return {row["room_id"] for row in rows}


async def expired_deadlines(
    connection: Connection, lanes: Sequence[int], now: str, limit: int
) -> list[MemberInRoom]:
    """Return members whose seat's deadline has expired, the longest waiting first."""
    return await _fetch_members(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.lane = ANY($1::int[]) AND members.seat_deadline <= $2
        ORDER BY members.seat_deadline LIMIT $3
        """,
        lanes,
        now,
        limit,
    )


async def due_qualities(
    connection: Connection, lanes: Sequence[int], now: str, limit: int
) -> list[MemberInRoom]:
    """Return members whose reported quality is to be published, the longest waiting first."""
    return await _fetch_members(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.lane = ANY($1::int[]) AND members.quality_due_at <= $2
        ORDER BY members.quality_due_at LIMIT $3
        """,
        lanes,
        now,
        limit,
    )


async def pending_releases(connection: Connection, lanes: Sequence[int]) -> list[MemberInRoom]:
    """Return members with a pending release of their seat."""
    return await _fetch_members(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.release_pending AND members.lane = ANY($1::int[])
        """,
        lanes,
    )


async def _fetch_members(connection: Connection, statement: str, *arguments: object) -> list[MemberInRoom]:
    rows = await connection.fetch(statement, *arguments)
    return [
        MemberInRoom(_room_adapter.validate_json(row["room"]), _member_adapter.validate_json(row["member"]))
        for row in rows
    ]


async def _save_rooms(connection: Connection, rooms: Sequence[Room]) -> None:
    if not rooms:
        return
    await connection.execute(
        """
        INSERT INTO rooms (
            room_id, lane, document, can_apply_rights, deletion_pending, rights_ended_at,
            deletion_pending_since
        )
        SELECT room_id, lane, document::jsonb, can_apply_rights, deletion_pending, rights_ended_at,
            CASE WHEN deletion_pending THEN now() END
        FROM unnest($1::text[], $2::int[], $3::text[], $4::boolean[], $5::boolean[], $6::text[])
            AS new (room_id, lane, document, can_apply_rights, deletion_pending, rights_ended_at)
        ON CONFLICT (room_id) DO UPDATE SET
            document = excluded.document, can_apply_rights = excluded.can_apply_rights,
            deletion_pending = excluded.deletion_pending, rights_ended_at = excluded.rights_ended_at,
            deletion_pending_since = CASE WHEN excluded.deletion_pending
                THEN coalesce(rooms.deletion_pending_since, excluded.deletion_pending_since) END
        """,
        [room.room_id for room in rooms],
        [room.lane for room in rooms],
        [_room_adapter.dump_json(room).decode() for room in rooms],
        [room.can_apply_rights for room in rooms],
        [room.is_deletion_pending for room in rooms],
        [room.rights_ended_at for room in rooms],
    )


async def _delete_members(connection: Connection, keys: Sequence[MemberKey]) -> None:
    if not keys:
        return
    await connection.execute(
        "DELETE FROM members USING unnest($1::text[], $2::text[]) AS gone (room_id, user_id)"
        " WHERE members.room_id = gone.room_id AND members.user_id = gone.user_id",
        [key.room_id for key in keys],
        [key.user_id for key in keys],
    )


async def _save_members(connection: Connection, rows: Sequence[tuple[str, int, Member]]) -> None:
    if not rows:
        return
    await connection.execute(
        """
        INSERT INTO members (
            room_id, user_id, lane, document, out_of_sync, connected, seat_deadline, release_pending,
            has_disguised_tracks, quality_due_at, co_host_state, trouble, out_of_sync_since
        )
        SELECT room_id, user_id, lane, document::jsonb, out_of_sync, connected, seat_deadline,
            release_pending, has_disguised_tracks, quality_due_at, co_host_state, trouble,
            CASE WHEN out_of_sync THEN now() END
        FROM unnest(
            $1::text[], $2::text[], $3::int[], $4::text[], $5::boolean[], $6::boolean[], $7::text[],
            $8::boolean[], $9::boolean[], $10::text[], $11::text[], $12::smallint[]
        ) AS new (
            room_id, user_id, lane, document, out_of_sync, connected, seat_deadline, release_pending,
            has_disguised_tracks, quality_due_at, co_host_state, trouble
        )
        ON CONFLICT (room_id, user_id) DO UPDATE SET
            document = excluded.document, out_of_sync = excluded.out_of_sync, connected = excluded.connected,
            seat_deadline = excluded.seat_deadline, release_pending = excluded.release_pending,
            has_disguised_tracks = excluded.has_disguised_tracks, quality_due_at = excluded.quality_due_at,
            co_host_state = excluded.co_host_state, trouble = excluded.trouble,
            out_of_sync_since = CASE WHEN excluded.out_of_sync
                THEN coalesce(members.out_of_sync_since, excluded.out_of_sync_since) END
        """,
        [room_id for room_id, _, _ in rows],
        [member.user_id for _, _, member in rows],
        [lane for _, lane, _ in rows],
        [_member_adapter.dump_json(member).decode() for _, _, member in rows],
        [member.is_out_of_sync for _, _, member in rows],
        [member.presence.is_connected for _, _, member in rows],
        [member.seat_deadline for _, _, member in rows],
        [member.is_release_pending for _, _, member in rows],
        [permissions.has_disguised_tracks(member) for _, _, member in rows],
        [member.quality_due_at for _, _, member in rows],
        [_connection_state(member) for _, _, member in rows],
        [trouble.trouble_of(member) for _, _, member in rows],
    )


def _connection_state(member: Member) -> CoHostState | None:
    return next((state for state in member.co_host_states if state != "hard_muted"), None)


def _read_stage(row: asyncpg.Record) -> Stage:
    members: Iterable[str] = row["members"]
    found = [_member_adapter.validate_json(document) for document in members]
    return Stage(_room_adapter.validate_json(row["document"]), {member.user_id: member for member in found})
