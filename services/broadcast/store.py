"""Stages in Postgres: written by the processor, queried by the effects and HTTP."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import asyncpg
from pydantic import TypeAdapter

from messaging.database import Connection
from services.broadcast.state import Member, Room, Stage

_rooms = TypeAdapter(Room)
_members = TypeAdapter(Member)


class Pending(NamedTuple):
    """A member and their room."""

    room: Room
    member: Member


@dataclass(slots=True)
class Changes:
    """The rooms and members that a batch changes, in their final state; a member that is None is deleted.

    `members` maps a room id and user id to the lane and the member. `touched_rooms` are the rooms of all
    changes, changed or not.
    """

    rooms: dict[str, Room] = field(default_factory=dict)
    members: dict[tuple[str, str], tuple[int, Member | None]] = field(default_factory=dict)
    present: dict[str, Room] = field(default_factory=dict)

    def note(self, before: Stage | None, after: Stage) -> None:
        """Add the difference between two stages of a room."""
        room = self.present[after.room.room_id] = after.room
        if before is None or before.room is not room:
            self.rooms[room.room_id] = room
        old = before.members if before is not None else {}
        if old is after.members:
            return
        for user_id, member in after.members.items():
            if old.get(user_id) is not member:
                self.members[room.room_id, user_id] = (room.lane, member)
        for user_id in old:
            if user_id not in after.members:
                self.members[room.room_id, user_id] = (room.lane, None)


def wishes(changes: Changes) -> tuple[list[Room], list[Pending]]:
    """Return what `rooms_to_delete` and `members_out_of_sync` will find of the changes after the commit."""
    members = [
        Pending(room, member)
        for (room_id, _), (_, member) in changes.members.items()
        if member is not None and member.pending
        for room in [changes.present[room_id]]
        if room.open and room.deletion is None
    ]
    return [room for room in changes.rooms.values() if room.deletion is not None], members


async def load(connection: Connection, room_ids: Sequence[str]) -> dict[str, Stage]:
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
    return {stage.room.room_id: stage for stage in map(_stage, rows)}


async def save(connection: Connection, changes: Changes) -> None:
    """Write a batch's changes."""
    await _save_rooms(connection, list(changes.rooms.values()))
    await _delete_members(connection, [key for key, (_, member) in changes.members.items() if member is None])
    await _save_members(
        connection,
        [(key[0], lane, member) for key, (lane, member) in changes.members.items() if member is not None],
    )


async def wished(connection: Connection, keys: Sequence[tuple[str, str]]) -> tuple[list[Room], list[Pending]]:
    """Return the rooms to delete and the members out of sync among these keys (room id, user id or empty)."""
    rooms = await connection.fetch(
        "SELECT document FROM rooms WHERE deleting AND room_id = ANY($1::text[])",
        [room_id for room_id, user_id in keys if not user_id],
    )
    members = await _with_rooms(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM unnest($1::text[], $2::text[]) AS wanted (room_id, user_id)
        JOIN members USING (room_id, user_id) JOIN rooms USING (room_id)
        WHERE members.pending AND rooms.open AND NOT rooms.deleting
        """,
        [room_id for room_id, _ in keys],
        [user_id for _, user_id in keys],
    )
    return [_rooms.validate_json(row["document"]) for row in rooms], members


async def deletions(connection: Connection, lanes: Sequence[int], after: str, limit: int) -> list[Room]:
    """Return rooms after room id `after` whose LiveKit room is to be deleted, in order."""
    rows = await connection.fetch(
        "SELECT document FROM rooms WHERE deleting AND lane = ANY($1::int[]) AND room_id > $2"
        " ORDER BY room_id LIMIT $3",
        lanes,
        after,
        limit,
    )
    return [_rooms.validate_json(row["document"]) for row in rows]


async def pending(
    connection: Connection, lanes: Sequence[int], after: tuple[str, str], limit: int
) -> list[Pending]:
    """Return members after the key `after` with work on LiveKit, in order.

    Members of a closed room have no work, nor those of one whose LiveKit room is about to be deleted.
    """
    return await _with_rooms(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.pending AND members.lane = ANY($1::int[])
          AND (members.room_id, members.user_id) > ($2, $3) AND rooms.open AND NOT rooms.deleting
        ORDER BY members.room_id, members.user_id LIMIT $4
        """,
        lanes,
        *after,
        limit,
    )


async def unfinished(connection: Connection) -> int:
    """Return how many members and rooms LiveKit is out of sync with, in all lanes."""
    count = await connection.fetchval(
        "SELECT (SELECT count(*) FROM members WHERE pending) + (SELECT count(*) FROM rooms WHERE deleting)"
    )
    return int(count)


async def to_compare(connection: Connection, lanes: Sequence[int], there: Sequence[str]) -> set[str]:
    """Return the rooms of these lanes that are in `livekit_rooms` or have a connected member."""
    rows = await connection.fetch(
        """
        SELECT room_id FROM unnest($2::text[]) AS there (room_id) JOIN rooms USING (room_id)
        WHERE lane = ANY($1::int[])
        UNION
        SELECT room_id FROM members WHERE connected AND lane = ANY($1::int[])
        """,
        lanes,
        there,
    )
    return {row["room_id"] for row in rows}


async def due(connection: Connection, lanes: Sequence[int], now: str, limit: int) -> list[Pending]:
    """Return members whose seat's deadline has expired, the longest waiting first."""
    return await _with_rooms(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.lane = ANY($1::int[]) AND members.deadline <= $2
        ORDER BY members.deadline LIMIT $3
        """,
        lanes,
        now,
        limit,
    )


async def releasing(connection: Connection, lanes: Sequence[int]) -> list[Pending]:
    """Return members with a pending release of their seat."""
    return await _with_rooms(
        connection,
        """
        SELECT rooms.document AS room, members.document AS member
        FROM members JOIN rooms USING (room_id)
        WHERE members.releasing AND members.lane = ANY($1::int[])
        """,
        lanes,
    )


async def _with_rooms(connection: Connection, statement: str, *arguments: object) -> list[Pending]:
    rows = await connection.fetch(statement, *arguments)
    return [Pending(_rooms.validate_json(row["room"]), _members.validate_json(row["member"])) for row in rows]


async def _save_rooms(connection: Connection, rooms: Sequence[Room]) -> None:
    if not rooms:
        return
    await connection.execute(
        """
        INSERT INTO rooms (room_id, lane, document, open, deleting)
        SELECT room_id, lane, document::jsonb, open, deleting
        FROM unnest($1::text[], $2::int[], $3::text[], $4::boolean[], $5::boolean[])
            AS new (room_id, lane, document, open, deleting)
        ON CONFLICT (room_id) DO UPDATE SET
            document = excluded.document, open = excluded.open, deleting = excluded.deleting
        """,
        [room.room_id for room in rooms],
        [room.lane for room in rooms],
        [_rooms.dump_json(room).decode() for room in rooms],
        [room.open for room in rooms],
        [room.deletion is not None for room in rooms],
    )


async def _delete_members(connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
    if not keys:
        return
    await connection.execute(
        "DELETE FROM members USING unnest($1::text[], $2::text[]) AS gone (room_id, user_id)"
        " WHERE members.room_id = gone.room_id AND members.user_id = gone.user_id",
        [room_id for room_id, _ in keys],
        [user_id for _, user_id in keys],
    )


async def _save_members(connection: Connection, rows: Sequence[tuple[str, int, Member]]) -> None:
    if not rows:
        return
    await connection.execute(
        """
        INSERT INTO members (room_id, user_id, lane, document, pending, connected, deadline, releasing)
        SELECT room_id, user_id, lane, document::jsonb, pending, connected, deadline, releasing
        FROM unnest(
            $1::text[], $2::text[], $3::int[], $4::text[], $5::boolean[], $6::boolean[], $7::text[],
            $8::boolean[]
        ) AS new (room_id, user_id, lane, document, pending, connected, deadline, releasing)
        ON CONFLICT (room_id, user_id) DO UPDATE SET
            document = excluded.document, pending = excluded.pending, connected = excluded.connected,
            deadline = excluded.deadline, releasing = excluded.releasing
        """,
        [room_id for room_id, _, _ in rows],
        [member.user_id for _, _, member in rows],
        [lane for _, lane, _ in rows],
        [_members.dump_json(member).decode() for _, _, member in rows],
        [member.pending for _, _, member in rows],
        [member.presence.connected for _, _, member in rows],
        [member.deadline for _, _, member in rows],
        [member.seat is not None and member.seat.release is not None for _, _, member in rows],
    )


def _stage(row: asyncpg.Record) -> Stage:
    members: Iterable[str] = row["members"]
    found = [_members.validate_json(document) for document in members]
    return Stage(_rooms.validate_json(row["document"]), {member.user_id: member for member in found})
