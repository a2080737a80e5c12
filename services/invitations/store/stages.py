"""Load stages from the last committed rows."""

import asyncio
from collections.abc import Mapping, Sequence

from cohost_schemas.types import OPEN_STATUSES
from messaging.database import Connection
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import Room, Seat
from services.invitations.store import rows

# Rows after which other tasks run: a room may have very many of them.
_YIELD_EVERY = 1000


async def load_stages(
    connection: Connection, room_ids: Sequence[str], lanes: Mapping[str, int]
) -> dict[str, Stage]:
    """Return the stages of these rooms; an unknown room has an empty stage with full history."""
    loaded = {room_id: Stage(lanes[room_id], has_full_history=True) for room_id in room_ids}
    found = await connection.fetch(
        """
        SELECT room_id, host_id, status, max_co_hosts, incarnation, deleted, position
        FROM unnest($1::text[]) AS wanted (room_id) JOIN rooms USING (room_id)
        """,
        room_ids,
    )
    for room_id, *room in found:
        stage = loaded[room_id]
        stage.room = Room(*room)
        stage.has_full_history = False
    if found:
        known = [row["room_id"] for row in found]
        await _add_pending(connection, known, loaded)
        await _add_seats(connection, known, loaded)
    return loaded


async def _add_pending(connection: Connection, room_ids: Sequence[str], loaded: Mapping[str, Stage]) -> None:
    found = await connection.fetch(
        """
        SELECT i.*, pending.correlation
        FROM unnest($1::text[]) AS wanted (room_id)
        JOIN pending USING (room_id)
        JOIN invitations AS i USING (invitation_id)
        ORDER BY i.position
        """,
        room_ids,
    )
    for count, row in enumerate(found, 1):
        loaded[row["room_id"]].add_pending(
            rows.invitation_from_row(row), rows.correlation_from_column(row["correlation"])
        )
        if count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)


async def _add_seats(connection: Connection, room_ids: Sequence[str], loaded: Mapping[str, Stage]) -> None:
    found = await connection.fetch(
        """
        SELECT room_id, user_id, invitation_id, since, position
        FROM unnest($1::text[]) AS wanted (room_id) JOIN seats USING (room_id)
        ORDER BY position
        """,
        room_ids,
    )
    for room_id, user_id, *seat in found:
        loaded[room_id].seats[user_id] = Seat(*seat)


async def load_closed_invitations(connection: Connection, stages: Mapping[tuple[str, str], Stage]) -> None:
    """Load invitations by (invitation id, room id) into their stages, if of the current incarnation."""
    found = await connection.fetch(
        """
        SELECT i.* FROM unnest($1::text[]) AS wanted (invitation_id)
        JOIN invitations AS i USING (invitation_id)
        """,
        list({invitation_id for invitation_id, _ in stages}),
    )
    for row in found:
        stage = stages.get((row["invitation_id"], row["room_id"]))
        if stage is not None and stage.room is not None and stage.room.incarnation == row["incarnation"]:
            stage.recently_closed.current[row["invitation_id"]] = rows.invitation_from_row(row)


async def load_last_invitations(connection: Connection, stages: Mapping[tuple[str, str], Stage]) -> None:
    """Load the last invitation id, or None, of each (room id, user id) in the current incarnation."""
    incarnations = [0 if stage.room is None else stage.room.incarnation for stage in stages.values()]
    found = await connection.fetch(
        """
        SELECT room_id, user_id, (
            SELECT invitation_id FROM invitations AS i
            WHERE i.room_id = wanted.room_id AND i.user_id = wanted.user_id
                AND i.incarnation = wanted.incarnation
            ORDER BY i.position DESC LIMIT 1
        )
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (room_id, user_id, incarnation)
        """,
        [room_id for room_id, _ in stages],
        [user_id for _, user_id in stages],
        incarnations,
    )
    for room_id, user_id, invitation_id in found:
        stages[room_id, user_id].last_invitation_of.current[user_id] = invitation_id


async def rooms_not_updated_since(connection: Connection, lane: int, offset: int) -> list[str]:
    """Return at most 1000 rooms that are not deleted and whose last fact lies before `offset`."""
    found = await connection.fetch(
        "SELECT room_id FROM rooms WHERE lane = $1 AND position < $2 AND NOT deleted LIMIT 1000",
        lane,
        offset,
    )
    return [row["room_id"] for row in found]


async def count_open_not_updated_since(connection: Connection, lane: int, offset: int) -> int:
    """Return the number of open rooms whose last fact lies before `offset`."""
    statement = (
        "SELECT count(*) FROM rooms"
        " WHERE lane = $1 AND position < $2 AND NOT deleted AND status = ANY($3::text[])"
    )
    return int(await connection.fetchval(statement, lane, offset, list(OPEN_STATUSES)))
