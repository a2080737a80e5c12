"""Who may connect to a room, and the LiveKit room that they then find."""

import asyncio

import asyncpg

from schemas.types import Badge, Role
from services.broadcast import store
from services.broadcast.creation import Creation
from services.broadcast.livekit import CallFailed
from services.broadcast.state import Stage
from services.hosting import reading
from services.hosting.problems import Problem

_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_ON_AIR = ("live", "waitingReconnect")


async def look(pool: asyncpg.Pool, room_id: str) -> Stage:
    """Return a room's stage. Raises `Problem` (404)."""
    async with reading.lent(pool) as connection:
        found = await store.load(connection, [room_id])
    if room_id not in found:
        raise Problem(404, "room_not_found", "There is no such room.")
    return found[room_id]


def role(stage: Stage, user_id: str, *, as_viewer: bool) -> Role:
    """Return what a user connects as. Raises `Problem` (403, 409), checked in the contract's order."""
    if not stage.room.open:
        raise _not_open()
    if as_viewer:
        if stage.room.status not in _ON_AIR:
            raise Problem(409, "room_not_live", "Viewers are let in once the room is live.")
        return "viewer"
    badge: Badge | None = stage.badge(user_id)
    if badge is None:
        raise Problem(403, "not_on_stage", "Only the host and co-hosts are on stage; others may be viewers.")
    return badge


async def open_room(pool: asyncpg.Pool, creation: Creation, stage: Stage) -> Stage:
    """Make sure that there is a LiveKit room, as long as the room is open; return the stage as it then is.

    Raises `Problem` (409, 503).
    """
    try:
        async with asyncio.timeout(_SECONDS):
            await _deleted(pool, stage)
            present = await creation.make(stage.room.room_id)
    except (CallFailed, TimeoutError) as error:
        raise Problem(503, "unavailable", "LiveKit is away; try again.") from error
    if present is None or not present.room.open:
        raise _not_open()
    return present


async def _deleted(pool: asyncpg.Pool, stage: Stage) -> None:
    """Wait until the LiveKit room of the room's last life is gone: whoever joins it would go with it."""
    while stage.room.deletion is not None:
        await asyncio.sleep(_LOOK_SECONDS)
        stage = await look(pool, stage.room.room_id)


def _not_open() -> Problem:
    return Problem(409, "room_not_open", "The room is not open.")
