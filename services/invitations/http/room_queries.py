"""Queries of the rooms' routes. Rooms are listed by the time of their last fact, newest first."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import asyncpg
from pydantic import Field

from cohost_schemas import timestamps
from cohost_schemas.answers import RoomHost, RoomHosts, RoomSummary
from messaging.database import Connection
from services.invitations.domain.state import Room
from services.runtime.http.pagination import BigInt, CalendarTimestamp

_MAX_HOSTS = 1000


class RoomKey(NamedTuple):
    """A room's sort key: the broker's time of its last fact, and where the fact lies in the log."""

    changed_at: CalendarTimestamp
    position: BigInt
    lane: Annotated[int, Field(ge=0, lt=2**31)]


class ListedRoom(NamedTuple):
    """A room, its title and its sort key."""

    room_id: str
    room: Room
    title: str | None
    key: RoomKey


class RoomQuery(NamedTuple):
    """One page of the list: at most `limit` rooms after a key, which are open, closed or any, of one host."""

    status: str
    host_id: str | None
    after: RoomKey
    limit: int


BEFORE_NEWEST = RoomKey("9999-12-31T23:59:59.999Z", 2**63 - 1, 2**31 - 1)
"""The key that sorts before the newest room."""


async def fetch_rooms(connection: Connection, query: RoomQuery) -> list[ListedRoom]:
    """Return a page of the rooms that are not deleted."""
    if query.host_id is not None:
        found = await _fetch_rooms_of_host(connection, query)
    elif query.status == "open":
        found = await _fetch_open_rooms(connection, query)
    else:
        found = await _fetch_all_rooms(connection, query)
    return [_listed_room(row) for row in found]


async def fetch_room(connection: Connection, room_id: str) -> ListedRoom | None:
    """Return a room, None if it is unknown or deleted."""
    row = await connection.fetchrow("SELECT * FROM rooms WHERE room_id = $1 AND NOT deleted", room_id)
    return None if row is None else _listed_room(row)


async def summarize_rooms(connection: Connection, rooms: Sequence[ListedRoom]) -> list[RoomSummary]:
    """Return the rooms with the numbers of their seats and of their invitations that are not overdue."""
    rows = await connection.fetch(
        """
        SELECT room_id,
            (SELECT count(*) FROM pending WHERE pending.room_id = wanted.room_id AND pending.expires_at > $2),
            (SELECT count(*) FROM seats WHERE seats.room_id = wanted.room_id)
        FROM unnest($1::text[]) AS wanted (room_id)
        """,
        [listed.room_id for listed in rooms],
        timestamps.current_timestamp(),
    )
    counts = {room_id: (pending, seats) for room_id, pending, seats in rows}
    return [_room_summary(listed, *counts[listed.room_id]) for listed in rooms]


async def fetch_hosts(connection: Connection, room_id: str) -> RoomHosts:
    """Return the last hosts of a room, oldest first."""
    found = await connection.fetch(
        """
        SELECT host_id, sequence, since FROM room_hosts
        WHERE room_id = $1 ORDER BY sequence DESC LIMIT $2
        """,
        room_id,
        _MAX_HOSTS,
    )
    return RoomHosts(items=tuple(RoomHost(**row) for row in reversed(found)))


async def _fetch_open_rooms(connection: Connection, query: RoomQuery) -> Sequence[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT * FROM rooms
        WHERE NOT deleted AND is_open(status) AND (changed_at, position, lane) < ($1, $2, $3)
        ORDER BY changed_at DESC, position DESC, lane DESC LIMIT $4
        """,
        *query.after,
        query.limit,
    )


async def _fetch_all_rooms(connection: Connection, query: RoomQuery) -> Sequence[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT * FROM rooms
        WHERE NOT deleted AND (changed_at, position, lane) < ($1, $2, $3)
            AND ($4 = 'any' OR is_open(status) = ($4 = 'open'))
        ORDER BY changed_at DESC, position DESC, lane DESC LIMIT $5
        """,
        *query.after,
        query.status,
        query.limit,
    )


async def _fetch_rooms_of_host(connection: Connection, query: RoomQuery) -> Sequence[asyncpg.Record]:
    return await connection.fetch(
        """
        SELECT * FROM rooms
        WHERE NOT deleted AND host_id = $6 AND (changed_at, position, lane) < ($1, $2, $3)
            AND ($4 = 'any' OR is_open(status) = ($4 = 'open'))
        ORDER BY changed_at DESC, position DESC, lane DESC LIMIT $5
        """,
        *query.after,
        query.status,
        query.limit,
        query.host_id,
    )


def _listed_room(row: asyncpg.Record) -> ListedRoom:
    key = RoomKey(row["changed_at"], row["position"], row["lane"])
    return ListedRoom(row["room_id"], Room(*(row[name] for name in Room._fields)), row["title"], key)


def _room_summary(listed: ListedRoom, pending: int, seats: int) -> RoomSummary:
    room = listed.room
    return RoomSummary(
        room_id=listed.room_id,
        host_id=room.host_id,
        title=listed.title,
        status=room.status,
        open=room.is_open,
        max_co_hosts=room.max_co_hosts,
        pending=pending,
        seats=seats,
    )
