"""Authorize joins of a room, and make sure that its LiveKit room exists."""

import asyncio

import asyncpg

from cohost_schemas.types import Badge, Role
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.calls import CallFailed
from services.runtime.http import db
from services.runtime.http.problems import HttpProblem

_TIMEOUT_SECONDS = 5.0
LIVE_STATUSES = ("live", "waitingReconnect")


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
        if stage.room.status not in LIVE_STATUSES:
            raise HttpProblem(409, "room_not_live", "Viewers can join once the room is live.")
        return "viewer"
    badge: Badge | None = stage.badge_of(user_id)
    if badge is None:
        raise HttpProblem(403, "not_on_stage", "Only the host and co-hosts are on stage; join as a viewer.")
    return badge


async def prepare_join(
    pool: asyncpg.Pool, provisioner: RoomProvisioner, room_id: str, user_id: str, *, as_viewer: bool
) -> tuple[Stage, Role]:
    """Make sure that the LiveKit room exists; return the stage read after that, and the user's role.

    Raises `HttpProblem` (403, 404, 409, 503): that LiveKit is unavailable comes after every other refusal.
    """
    stage = await load_stage(pool, room_id)
    join_role(stage, user_id, as_viewer=as_viewer)
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            current = await provisioner.provide_room(stage)
    except (CallFailed, TimeoutError) as error:
        # Before the query: another call may succeed meanwhile.
        is_refused = error.refused if isinstance(error, CallFailed) else provisioner.is_key_refused
        join_role(await load_stage(pool, room_id), user_id, as_viewer=as_viewer)
        raise _livekit_problem(is_refused) from error
    if current is None:
        raise _room_not_open()
    return current, join_role(current, user_id, as_viewer=as_viewer)


def _livekit_problem(is_key_refused: bool) -> HttpProblem:  # noqa: FBT001 - the only argument
    if is_key_refused:
        return HttpProblem(503, "livekit_refused", "LiveKit refuses this service's key.")
    return HttpProblem(503, "livekit_unavailable", "LiveKit does not answer; try again.")


def _room_not_open() -> HttpProblem:
    return HttpProblem(409, "room_not_open", "The room is not open.")
