"""The services' reads, forwarded with the caller's token (contract, section 5)."""
# ruff: noqa: ARG001, FAST003 - parameters document and check the request; ruff does not see aliases

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from cohost_schemas import envelope
from cohost_schemas.answers import (
    BroadcastData,
    CoHosts,
    CommandOutcome,
    DetailedOutcome,
    InvitationDetails,
    RoomHosts,
    RoomSummary,
    Stage,
)
from cohost_schemas.types import Id, RoomFilter
from services.gateway.services import ServiceProxy
from services.runtime.http import pagination, path_params, problems
from services.runtime.http.problems import HttpProblem

# In the order in which they are answered: what is known before what may be.
_STATUSES_WITHOUT_OUTCOME = (403, 500, 503, 404)

StatusFilter = Literal["any", "pending", "accepted", "rejected", "cancelled", "expired"]


def create_read_router(invitations: ServiceProxy, broadcast: ServiceProxy) -> APIRouter:
    """Create the router with every `GET /v1/…` of the two services."""
    routes = APIRouter(tags=["reads"])
    _add_room_reads(routes, invitations)
    _add_room_members(routes, invitations)
    _add_invitation_reads(routes, invitations)
    _add_stage_reads(routes, broadcast)
    _add_command_status(routes, invitations, broadcast)
    return routes


def _add_room_reads(routes: APIRouter, invitations: ServiceProxy) -> None:
    @routes.get(
        "/v1/rooms",
        response_model=pagination.ListPage[RoomSummary],
        responses=problems.problem_responses(403, 422),
    )
    async def list_rooms(
        request: Request,
        page: pagination.RequestedPage,
        status: RoomFilter = "open",
        host_id: Annotated[Id | None, Query(alias="hostId")] = None,
    ) -> Response:
        """List rooms, newest fact first. Allowed for ops."""
        return await invitations.forward(request, "v1", "rooms")

    @routes.get(
        "/v1/rooms/{roomId}", response_model=RoomSummary, responses=problems.problem_responses(404, 422)
    )
    async def get_room(request: Request, room_id: path_params.RoomId) -> Response:
        """Return a room; its pending invitations are counted for its host and ops only."""
        return await invitations.forward(request, "v1", "rooms", room_id)

    @routes.get(
        "/v1/rooms/{roomId}/invitations",
        response_model=pagination.ListPage[InvitationDetails],
        responses=problems.problem_responses(403, 404, 422),
    )
    async def list_room_invitations(
        request: Request,
        room_id: path_params.RoomId,
        page: pagination.RequestedPage,
        status: StatusFilter = "any",
    ) -> Response:
        """List the invitations sent in a room. Allowed for the room's host and ops."""
        return await invitations.forward(request, "v1", "rooms", room_id, "invitations")


def _add_room_members(routes: APIRouter, invitations: ServiceProxy) -> None:
    @routes.get(
        "/v1/rooms/{roomId}/co-hosts",
        response_model=CoHosts,
        responses=problems.problem_responses(404, 422),
    )
    async def list_co_hosts(request: Request, room_id: path_params.RoomId) -> Response:
        """List the co-hosts of a room. Allowed for anyone with a token."""
        return await invitations.forward(request, "v1", "rooms", room_id, "co-hosts")

    @routes.get(
        "/v1/rooms/{roomId}/hosts",
        response_model=RoomHosts,
        responses=problems.problem_responses(404, 422),
    )
    async def list_hosts(request: Request, room_id: path_params.RoomId) -> Response:
        """List the last 1 000 hosts of a room, oldest first. Allowed for anyone with a token."""
        return await invitations.forward(request, "v1", "rooms", room_id, "hosts")


def _add_invitation_reads(routes: APIRouter, invitations: ServiceProxy) -> None:
    @routes.get(
        "/v1/users/{userId}/invitations",
        response_model=pagination.ListPage[InvitationDetails],
        responses=problems.problem_responses(403, 422),
    )
    async def list_user_invitations(
        request: Request,
        user_id: path_params.UserId,
        page: pagination.RequestedPage,
        status: StatusFilter = "pending",
        room_id: Annotated[Id | None, Query(alias="roomId")] = None,
    ) -> Response:
        """List a user's invitations. Allowed for that user and ops."""
        return await invitations.forward(request, "v1", "users", user_id, "invitations")

    @routes.get(
        "/v1/invitations/{invitationId}",
        response_model=InvitationDetails,
        responses=problems.problem_responses(403, 404, 422),
    )
    async def get_invitation(request: Request, invitation_id: path_params.InvitationId) -> Response:
        """Return an invitation. Allowed for the room's host, the inviter, the invitee and ops."""
        return await invitations.forward(request, "v1", "invitations", invitation_id)


def _add_stage_reads(routes: APIRouter, broadcast: ServiceProxy) -> None:
    @routes.get(
        "/v1/rooms/{roomId}/broadcast-data",
        response_model=BroadcastData,
        responses=problems.problem_responses(403, 404, 409, 422),
    )
    async def get_broadcast_data(
        request: Request,
        room_id: path_params.RoomId,
        viewer: Annotated[Literal["viewer"] | None, Query(alias="as")] = None,
    ) -> Response:
        """Return the data to connect to LiveKit. Allowed for the host and co-hosts; for all as viewer."""
        return await broadcast.forward(request, "v1", "rooms", room_id, "broadcast-data")

    @routes.get(
        "/v1/rooms/{roomId}/stage", response_model=Stage, responses=problems.problem_responses(404, 422)
    )
    async def get_stage(request: Request, room_id: path_params.RoomId) -> Response:
        """Return the stage: host and co-hosts, with their connections and tracks."""
        return await broadcast.forward(request, "v1", "rooms", room_id, "stage")


def _add_command_status(routes: APIRouter, invitations: ServiceProxy, broadcast: ServiceProxy) -> None:
    # `path`, because the id of a rejected command may be any text, slashes included.
    @routes.get(
        "/v1/commands/{commandId:path}",
        response_model=DetailedOutcome | CommandOutcome,
        responses=problems.problem_responses(403, 404),
    )
    async def get_command_status(
        request: Request,
        command_id: Annotated[str, Path(alias="commandId")],
    ) -> Response:
        """Return the outcome of a command of either service; 404 while it is undecided."""
        return await _find_command(request, command_id, invitations, broadcast)


async def _find_command(request: Request, command_id: str, *services: ServiceProxy) -> Response:
    """Return the first service's outcome; without one 403 comes before 503, and 503 before 404."""
    if len(command_id) > envelope.MAX_ID_LENGTH:
        # No service decides such a command, and the path may be too long to be forwarded.
        raise HttpProblem(404, "command_not_found", "No outcome is known for this command id.")
    answers: list[Response] = []
    for service in services:
        try:
            answer = await service.forward(request, "v1", "commands", command_id)
        except HttpProblem as away:
            answer = problems.problem_response(away)
        if answer.status_code not in _STATUSES_WITHOUT_OUTCOME:
            return answer
        answers.append(answer)
    return min(answers, key=lambda answer: _STATUSES_WITHOUT_OUTCOME.index(answer.status_code))
