"""Reports of callers about their own connections, passed on to broadcast."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cohost_schemas.answers import QualityReport
from services.gateway.services import ServiceProxy
from services.runtime.http import bodies, path_params, problems


def create_quality_router(broadcast: ServiceProxy) -> APIRouter:
    """Create the router with the route that hosts and co-hosts report their quality to."""
    routes = APIRouter(tags=["broadcast"])

    @routes.post(
        "/v1/rooms/{roomId}/stage/quality",
        status_code=202,
        response_model=dict[str, str],
        responses=problems.problem_responses(400, 403, 404, 409, 413, 422),
        openapi_extra=bodies.body_schema(QualityReport),
    )
    async def report_quality(room_id: path_params.RoomId, request: Request) -> Response:
        """Accept the quality of the caller's own connection; it holds until the next report."""
        body = await bodies.read_bytes(request)
        return await broadcast.forward(request, "v1", "rooms", room_id, "stage", "quality", body=body)

    return routes
