"""Commands over HTTP: published for the caller, and answered with their outcomes."""
# ruff: noqa: FAST003 - ruff does not see aliases of path parameters

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cohost_schemas import commands
from cohost_schemas.types import CommandData
from services.gateway.commands.limit import CommandLimit
from services.gateway.commands.runner import CommandRunner
from services.gateway.http.command_answers import answer_result, document_command
from services.gateway.http.command_requests import CommandRequest, RequestedCommand
from services.runtime.http.auth import caller_of
from services.runtime.http.path_params import InvitationId, RoomId, UserId

_INVITATION = "/v1/rooms/{roomId}/invitations/{invitationId}"
_CO_HOST = "/v1/rooms/{roomId}/co-hosts/{userId}"


def create_command_router(runner: CommandRunner, limit: CommandLimit) -> APIRouter:
    """Create the router with every command of the contract that is a user's."""

    async def count_command(request: Request) -> None:
        limit.count(caller_of(request).user_id)

    # A dependency of the router: it counts what is wrong, too.
    routes = APIRouter(tags=["commands"], dependencies=[Depends(count_command)])
    _add_sendings(routes, runner)
    _add_responses(routes, runner)
    _add_stage_commands(routes, runner)
    _add_mutes(routes, runner)
    return routes


async def _run(
    runner: CommandRunner, request: CommandRequest, model: type[CommandData], **ids: str
) -> Response:
    submission = request.submit(model, **ids)
    command_id, result = await runner.run(submission)
    return answer_result(submission.data, command_id, result)


def _document_response(model: type[CommandData]) -> dict[str, Any]:
    return document_command(model, "roomId", "invitationId")


def _add_sendings(routes: APIRouter, runner: CommandRunner) -> None:
    @routes.post(
        "/v1/rooms/{roomId}/invitations", **document_command(commands.SendInvitation, "roomId", status=201)
    )
    async def send_invitation(room_id: RoomId, request: RequestedCommand) -> Response:
        """Invite a user, on behalf of the room's host. The invitation's id is the command's."""
        return await _run(runner, request, commands.SendInvitation, roomId=room_id)

    @routes.post(f"{_INVITATION}/resend", **_document_response(commands.ResendInvitation))
    async def resend_invitation(
        room_id: RoomId, invitation_id: InvitationId, request: RequestedCommand
    ) -> Response:
        """Send a pending invitation again, on behalf of the room's host."""
        ids = {"roomId": room_id, "invitationId": invitation_id}
        return await _run(runner, request, commands.ResendInvitation, **ids)

    @routes.post(f"{_INVITATION}/cancel", **_document_response(commands.CancelInvitation))
    async def cancel_invitation(
        room_id: RoomId, invitation_id: InvitationId, request: RequestedCommand
    ) -> Response:
        """Cancel a pending invitation, on behalf of the room's host."""
        ids = {"roomId": room_id, "invitationId": invitation_id}
        return await _run(runner, request, commands.CancelInvitation, **ids)


def _add_responses(routes: APIRouter, runner: CommandRunner) -> None:
    @routes.post(f"{_INVITATION}/accept", **_document_response(commands.AcceptInvitation))
    async def accept_invitation(
        room_id: RoomId, invitation_id: InvitationId, request: RequestedCommand
    ) -> Response:
        """Accept an invitation and get a seat, on behalf of the invitee."""
        ids = {"roomId": room_id, "invitationId": invitation_id}
        return await _run(runner, request, commands.AcceptInvitation, **ids)

    @routes.post(f"{_INVITATION}/decline", **_document_response(commands.DeclineInvitation))
    async def decline_invitation(
        room_id: RoomId, invitation_id: InvitationId, request: RequestedCommand
    ) -> Response:
        """Decline an invitation, on behalf of the invitee."""
        ids = {"roomId": room_id, "invitationId": invitation_id}
        return await _run(runner, request, commands.DeclineInvitation, **ids)

    @routes.post(f"{_INVITATION}/seen", **_document_response(commands.MarkInvitationSeen))
    async def mark_invitation_seen(
        room_id: RoomId, invitation_id: InvitationId, request: RequestedCommand
    ) -> Response:
        """Record that the invitee has seen a pending invitation."""
        ids = {"roomId": room_id, "invitationId": invitation_id}
        return await _run(runner, request, commands.MarkInvitationSeen, **ids)


def _add_stage_commands(routes: APIRouter, runner: CommandRunner) -> None:
    # Before the route with a user's id: `order` is one, too.
    @routes.put("/v1/rooms/{roomId}/co-hosts/order", **document_command(commands.ArrangeStage, "roomId"))
    async def arrange_stage(room_id: RoomId, request: RequestedCommand) -> Response:
        """Put these co-hosts first, in this order, on behalf of the host; all others follow as before."""
        return await _run(runner, request, commands.ArrangeStage, roomId=room_id)

    @routes.delete(_CO_HOST, **document_command(commands.RemoveCoHost, "roomId", "userId"))
    async def end_seat(room_id: RoomId, user_id: UserId, request: RequestedCommand) -> Response:
        """End a co-host's seat: one's own, or another's on behalf of the host."""
        if user_id == request.actor_id:
            return await _run(runner, request, commands.LeaveStage, roomId=room_id)
        return await _run(runner, request, commands.RemoveCoHost, roomId=room_id, userId=user_id)


def _add_mutes(routes: APIRouter, runner: CommandRunner) -> None:
    @routes.post(f"{_CO_HOST}/mute", **document_command(commands.MuteCoHost, "roomId", "userId"))
    async def mute_co_host(room_id: RoomId, user_id: UserId, request: RequestedCommand) -> Response:
        """Mute a co-host's source, on behalf of the host: once, or with `hard` until it is unmuted."""
        return await _run(runner, request, commands.MuteCoHost, roomId=room_id, userId=user_id)

    @routes.post(f"{_CO_HOST}/unmute", **document_command(commands.UnmuteCoHost, "roomId", "userId"))
    async def unmute_co_host(room_id: RoomId, user_id: UserId, request: RequestedCommand) -> Response:
        """Lift a hard mute and ask the co-host to unmute, on behalf of the host."""
        return await _run(runner, request, commands.UnmuteCoHost, roomId=room_id, userId=user_id)
