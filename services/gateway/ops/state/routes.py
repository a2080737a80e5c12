"""The state of the services over all their copies, for ops."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from cohost_schemas.ops.state import LaneStates, StageConditions, StateOverview, SystemState
from services.gateway.ops.shared_answers import SharedAnswers
from services.gateway.ops.state.audit_report import read_last_audit
from services.gateway.ops.state.lanes import merge_lanes
from services.gateway.ops.state.overview import merge_overviews
from services.gateway.ops.state.service_answers import Services, ask_service, ask_services
from services.gateway.ops.state.system import merge_systems
from services.gateway.services import ServiceProxy
from services.runtime.http import auth, problems

_MAX_STAGES = 200


def create_state_router(
    invitations: ServiceProxy, broadcast: ServiceProxy, audit_report: Path | None
) -> APIRouter:
    """Create the router; `audit_report` is the file that the audit writes its report to."""
    services = Services(invitations, broadcast)
    # Here, not only at the services: while Kafka is away each of their answers takes a second, and the
    # consoles would hold all the connections to them.
    overviews, lanes = SharedAnswers[StateOverview](), SharedAnswers[LaneStates]()
    stages = SharedAnswers[StageConditions]()
    systems = SharedAnswers[tuple[SystemState | None, SystemState | None]]()
    routes = APIRouter(
        prefix="/v1/ops",
        tags=["ops"],
        dependencies=[Depends(auth.require_ops)],
        responses=problems.problem_responses(403),
    )

    @routes.get("/overview")
    async def get_overview(request: Request) -> StateOverview:
        """Return the numbers of now; null are those of a service that does not answer."""
        return await overviews.get(None, partial(_ask_overview, services, request))

    @routes.get("/lanes")
    async def get_lanes(request: Request) -> LaneStates:
        """Return each lane of both services with its owner, its lag and its outbox."""
        return await lanes.get(None, partial(_ask_lanes, services, request))

    @routes.get("/stages", responses=problems.problem_responses(422))
    async def list_stages(
        request: Request, limit: Annotated[int, Query(ge=1, le=_MAX_STAGES)] = 100
    ) -> StageConditions:
        """List the stages of open rooms, the most trouble first, then by room id."""
        return await stages.get(limit, partial(_ask_stages, broadcast, request, limit))

    @routes.get("/system")
    async def get_system(request: Request) -> SystemState:
        """Return the versions and the state of all parts, and the last audit."""
        (invitations_state, broadcast_state), last_audit = await asyncio.gather(
            systems.get(None, partial(ask_services, services, request, "system", SystemState)),
            asyncio.to_thread(read_last_audit, audit_report),
        )
        return merge_systems(invitations_state, broadcast_state, last_audit)

    return routes


async def _ask_overview(services: Services, request: Request) -> StateOverview:
    return merge_overviews(*await ask_services(services, request, "overview", StateOverview))


async def _ask_lanes(services: Services, request: Request) -> LaneStates:
    return merge_lanes(*await ask_services(services, request, "lanes", LaneStates))


async def _ask_stages(broadcast: ServiceProxy, request: Request, limit: int) -> StageConditions:
    found = await ask_service(broadcast, request, "stages", StageConditions, f"limit={limit}")
    return StageConditions(items=(), unavailable=("broadcast",)) if found is None else found
