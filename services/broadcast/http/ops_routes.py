"""Broadcast's own answers to ops: stages, and LiveKit."""

import asyncio
from functools import partial
from typing import Annotated

import asyncpg
from fastapi import APIRouter, Depends, Query

from cohost_schemas.ops.state import OpenCalls, StageConditions, SystemPart
from services.broadcast.http import state_queries
from services.broadcast.livekit.client import LiveKitClient
from services.runtime.http import auth, db, problems
from services.runtime.ops.shared_result import SharedResult

MAX_STAGES = 200

_DATABASE_SECONDS = 1.5
_LIVEKIT_SECONDS = 1.0
_LIVEKIT_PERIOD_SECONDS = 5


def create_stage_list_router(pool: asyncpg.Pool) -> APIRouter:
    """Return the router of the list of stages."""
    routes = APIRouter(tags=["ops"], dependencies=[Depends(auth.require_ops)])
    stages = SharedResult(partial(_fetch_stages, pool))

    @routes.get("/v1/ops/stages", responses=problems.problem_responses(403, 422, 503))
    async def list_stages(limit: Annotated[int, Query(ge=1, le=MAX_STAGES)] = 100) -> StageConditions:
        """List the stages of open rooms, the most trouble first, then by room id."""
        found = await stages.wait(_DATABASE_SECONDS)
        return StageConditions(items=found.items[:limit])

    return routes


class LiveKitState:
    """LiveKit as ops see it: the calls that are open for all copies, and whether it answers this one."""

    def __init__(self, pool: asyncpg.Pool, livekit: LiveKitClient) -> None:
        self._open_calls = SharedResult(partial(_measure_open_calls, pool))
        self._access = SharedResult(livekit.check_access, _LIVEKIT_PERIOD_SECONDS)

    async def read(self) -> tuple[OpenCalls, SystemPart]:
        """Return the open calls, and LiveKit itself. Raises an error of the database's, or `TimeoutError`."""
        open_calls, detail = await asyncio.gather(
            self._open_calls.wait(_DATABASE_SECONDS), self._describe_access()
        )
        return open_calls, SystemPart(name="livekit", detail=detail)

    async def _describe_access(self) -> str:
        try:
            access = await self._access.wait(_LIVEKIT_SECONDS)
        except TimeoutError:
            access = False
        if access == "unauthorized":
            return "refuses our key"
        return "answers" if access else "no answer"


async def _fetch_stages(pool: asyncpg.Pool) -> StageConditions:
    async with db.connection_for_request(pool) as connection:
        return StageConditions(items=tuple(await state_queries.find_stages(connection, MAX_STAGES)))


async def _measure_open_calls(pool: asyncpg.Pool) -> OpenCalls:
    async with db.connection_for_request(pool) as connection:
        return await state_queries.measure_open_calls(connection)
