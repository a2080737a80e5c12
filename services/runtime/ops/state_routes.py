"""Routes that answer the gateway's questions for ops."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends

from cohost_schemas.ops.state import LaneStates, OpenCalls, StateOverview, SystemPart, SystemState
from services.runtime.asyncapi import API_VERSION
from services.runtime.http import auth, problems
from services.runtime.ops.group_view import GroupState
from services.runtime.ops.service_state import ServiceState, StoredState
from services.runtime.version import VERSION

ReadLiveKit = Callable[[], Awaitable[tuple[OpenCalls, SystemPart]]]


def create_state_router(state: ServiceState, read_livekit: ReadLiveKit | None = None) -> APIRouter:
    """Return the router; `read_livekit` returns the open calls to LiveKit, and LiveKit itself."""
    routes = APIRouter(
        prefix="/v1/ops",
        tags=["ops"],
        dependencies=[Depends(auth.require_ops)],
        responses=problems.problem_responses(403, 503),
    )

    @routes.get("/overview")
    async def get_overview() -> StateOverview:
        """Return the numbers of all lanes; null are those of the other service."""
        return await state.read_overview()

    @routes.get("/lanes")
    async def get_lanes() -> LaneStates:
        """Return the service's lanes."""
        return await state.read_lanes()

    @routes.get("/system")
    async def get_system() -> SystemState:
        """Return the service, and what it stands on."""
        if read_livekit is None:
            stored, group = await state.read_parts()
            return _system_state(state, stored, group, OpenCalls())
        (stored, group), (calls, livekit) = await asyncio.gather(state.read_parts(), read_livekit())
        return _system_state(state, stored, group, calls, livekit)

    return routes


def _system_state(
    state: ServiceState,
    stored: StoredState,
    group: GroupState | None,
    calls: OpenCalls,
    *further_parts: SystemPart,
) -> SystemState:
    workers = None if group is None else _count_of(len(group.client_ids), "worker")
    brokers = "no answer" if group is None else _count_of(group.broker_count, "broker")
    parts = (
        SystemPart(name=state.name, version=VERSION, detail=workers),
        SystemPart(name="kafka", detail=brokers),
        SystemPart(name="postgres", version=stored.server_version),
        *further_parts,
    )
    return SystemState(items=parts, contract_version=API_VERSION, live_kit=calls)


def _count_of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
