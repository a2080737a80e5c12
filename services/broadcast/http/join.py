"""Authorize users who join a room, and make sure that its LiveKit room exists."""

import asyncio

import asyncpg

from cohost_schemas.types import Badge, Role
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.client import CallFailed
from services.runtime.http import db
from services.runtime.http.problems import HttpProblem

_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.05
_LIVE_STATUSES = ("live", "waitingReconnect")


async def load_stage(pool: asyncpg.Pool, room_id: str) -> Stage:
    """Return a room's stage. Raises `HttpProblem` (404)."""
    async with db.connection_for_request(pool) as connection:
        found = await store.load_stages(connection, [room_id])
    if room_id not in found:
        raise HttpProblem(404, "room_not_found", "There is no such room.")
    return found[room_id]


def join_role(stage: Stage, user_id: str, *, as_viewer: bool) -> Role:
    """Return the role that a user joins with. Raises `HttpProblem` (403, 409), in the contract's order."""
    if not stage.room.is_open:
        raise _room_not_open()
    if as_viewer:
        if stage.room.status not in _LIVE_STATUSES:
            raise HttpProblem(409, "room_not_live", "Viewers can join once the room is live.")
        return "viewer"
    badge: Badge | None = stage.badge_of(user_id)
    if badge is None:
        raise HttpProblem(403, "not_on_stage", "Only the host and co-hosts are on stage; join as a viewer.")
    return badge


async def ensure_livekit_room(pool: asyncpg.Pool, provisioner: RoomProvisioner, stage: Stage) -> Stage:
    """Make sure that the LiveKit room of an open room exists; return the stage read after that.

    Raises `HttpProblem` (409, 503).
    """
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await _wait_for_deletion(pool, stage)
            current = await provisioner.ensure_room(stage.room.room_id)
    except (CallFailed, TimeoutError) as error:
        raise HttpProblem(503, "unavailable", "LiveKit is unavailable; try again.") from error
    if current is None or not current.room.is_open:
        raise _room_not_open()
    return current


async def _wait_for_deletion(pool: asyncpg.Pool, stage: Stage) -> None:
    """Wait until a pending deletion is done: it would disconnect everybody who joins the old LiveKit room."""
    while stage.room.is_deletion_pending:
        await asyncio.sleep(_POLL_SECONDS)
        stage = await load_stage(pool, stage.room.room_id)


def _room_not_open() -> HttpProblem:
    return HttpProblem(409, "room_not_open", "The room is not open.")
