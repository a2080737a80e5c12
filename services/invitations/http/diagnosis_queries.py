"""The query of a diagnosis."""

import asyncpg

from cohost_schemas import timestamps
from messaging.database import Connection
from services.invitations.domain.diagnosis import SeatEnd, UserInRoom
from services.invitations.domain.state import Room, invitation_as_of
from services.invitations.store import rows, users


async def fetch_user_in_room(connection: Connection, room_id: str, room: Room, user_id: str) -> UserInRoom:
    """Return what is stored about a user in a room. Run it in the transaction that read the room."""
    known_users = await users.load_users(connection, {user_id: [room.host_id]})
    user, _ = known_users.get(user_id, (None, 0))
    taken_seats, seat_since = await _fetch_seats(connection, room_id, user_id)
    view = UserInRoom(room, user, seat_since=seat_since, taken_seats=taken_seats)
    row = await _fetch_last_invitation(connection, room_id, room.incarnation, user_id)
    if row is None:
        return view
    return view._replace(
        invitation=invitation_as_of(rows.invitation_from_row(row), timestamps.current_timestamp()),
        refused_at=row["refused_at"],
        seat_end=None if row["left_at"] is None else SeatEnd(row["left_at"], row["leave_reason"]),
    )


async def _fetch_seats(connection: Connection, room_id: str, user_id: str) -> asyncpg.Record:
    """Return the number of the room's seats, and since when the user has one of them."""
    row = await connection.fetchrow(
        "SELECT count(*), max(since) FILTER (WHERE user_id = $2) FROM seats WHERE room_id = $1",
        room_id,
        user_id,
    )
    assert row is not None  # noqa: S101 - an aggregate has a row
    return row


async def _fetch_last_invitation(
    connection: Connection, room_id: str, incarnation: int, user_id: str
) -> asyncpg.Record | None:
    return await connection.fetchrow(
        """
        SELECT i.*, to_char(refused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS refused_at
        FROM invitations AS i, LATERAL (
            SELECT min(decided_at) AS refused_at FROM outcomes
            WHERE outcomes.invitation_id = i.invitation_id COLLATE "default" AND reason = 'room_full'
        ) AS refusals
        WHERE i.room_id = $1 AND i.incarnation = $2 AND i.user_id = $3
        ORDER BY i.position DESC LIMIT 1
        """,
        room_id,
        incarnation,
        user_id,
    )
