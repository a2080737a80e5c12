"""Answer why a user of a room is not on air, as far as broadcast and LiveKit know."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

import asyncio

import asyncpg
from fastapi import APIRouter

from cohost_schemas.answers import Diagnosis
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.http import diagnosis_steps
from services.broadcast.http.diagnosis_steps import LiveKitView
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient
from services.runtime.diagnosis import complete_steps
from services.runtime.http import auth, db, path_params, problems
from services.runtime.http.auth import Caller
from services.runtime.http.problems import HttpProblem

_LIVEKIT_SECONDS = 2.0
_MAX_CALLS = 16


def create_diagnosis_router(pool: asyncpg.Pool, livekit: LiveKitClient) -> APIRouter:
    """Return the route of broadcast's part of a diagnosis."""
    routes = APIRouter(tags=["broadcast"])
    call_slots = asyncio.Semaphore(_MAX_CALLS)

    @routes.get(
        "/v1/rooms/{roomId}/users/{userId}/diagnosis", responses=problems.problem_responses(403, 404, 422)
    )
    async def diagnose(
        room_id: path_params.RoomId, user_id: path_params.UserId, caller: auth.AuthenticatedCaller
    ) -> Diagnosis:
        """Return the steps from the grant to the quality, to that user, the room's host and ops."""
        async with db.connection_for_request(pool) as connection:
            stage = (await store.load_stages(connection, [room_id])).get(room_id)
        _check_access(stage, user_id, caller)
        view = LiveKitView()
        if stage is not None and diagnosis_steps.needs_livekit(stage, user_id):
            view = await _ask_livekit(livekit, room_id, user_id, call_slots)
        steps = diagnosis_steps.diagnose(stage, user_id, view)
        completed = complete_steps(diagnosis_steps.STEPS, steps)
        return Diagnosis(room_id=room_id, user_id=user_id, steps=completed)

    return routes


def _check_access(stage: Stage | None, user_id: str, caller: Caller) -> None:
    """Raise `HttpProblem` (403, 404) unless the caller may read the user's diagnosis."""
    if caller.is_ops or caller.user_id == user_id:
        return
    if stage is None:
        raise HttpProblem(404, "room_not_found", "There is no such room.")
    if caller.user_id != stage.room.host_id:
        raise HttpProblem(403, "forbidden", "Only that user, the room's host and ops may read this.")


async def _ask_livekit(
    livekit: LiveKitClient, room_id: str, user_id: str, call_slots: asyncio.Semaphore
) -> LiveKitView:
    try:
        async with asyncio.timeout(_LIVEKIT_SECONDS), call_slots:
            return LiveKitView(await livekit.get_participant(room_id, user_id))
    except CallFailed as error:
        return LiveKitView(problem="livekit_refused" if error.refused else "livekit_unavailable")
    except TimeoutError:
        return LiveKitView(problem="livekit_unavailable")
