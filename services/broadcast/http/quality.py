"""Take users' reports about the quality of their own connections: check, and write to the signals topic."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

import asyncio

import asyncpg
from fastapi import APIRouter, Request

from cohost_schemas import ids, topics
from cohost_schemas.answers import QualityReport
from cohost_schemas.signals import QualityReported
from messaging.errors import NotConfirmed
from messaging.producer import AtLeastOnceProducer
from services.broadcast.http import join
from services.runtime.http import auth, bodies, path_params, problems
from services.runtime.http.problems import HttpProblem

_WRITE_SECONDS = 4.0


def create_quality_router(pool: asyncpg.Pool, producer: AtLeastOnceProducer) -> APIRouter:
    """Return the route that hosts and co-hosts report their quality to."""
    routes = APIRouter(tags=["broadcast"])

    @routes.post(
        "/v1/rooms/{roomId}/stage/quality",
        status_code=202,
        responses=problems.problem_responses(400, 403, 404, 409, 413, 422, 503),
        openapi_extra=bodies.body_schema(QualityReport),
    )
    async def report_quality(
        room_id: path_params.RoomId, caller: auth.AuthenticatedCaller, request: Request
    ) -> dict[str, str]:
        """Accept the quality of the caller's own connection; it holds until the next report."""
        report = await bodies.read_model(request, QualityReport)
        join.join_role(await join.load_stage(pool, room_id), caller.user_id, as_viewer=False)
        signal = QualityReported(
            room_id=room_id,
            user_id=caller.user_id,
            quality=report.quality,
            round_trip_ms=report.round_trip_ms,
        )
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room_id)
        except (NotConfirmed, TimeoutError) as error:
            raise HttpProblem(503, "unavailable", "Kafka is unavailable; send the report again.") from error
        return {}

    return routes
