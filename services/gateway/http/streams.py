"""Live streams as Server-Sent Events (contract, section 5)."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from sse_starlette import EventSourceResponse

from cohost.kafka.errors import PositionLost
from services.gateway.services import ServiceProxy
from services.gateway.streams.event_hub import EventHub, StreamsUnavailable
from services.gateway.streams.hosts import HostChange, HostHistory
from services.gateway.streams.positions import Position, StreamKey
from services.gateway.streams.subscription import RoomViewer, Subscription, UnrestrictedViewer, Viewer
from services.runtime.http import auth, middleware, path_params, problems
from services.runtime.http.auth import Caller
from services.runtime.http.problems import HttpProblem

_HEARTBEAT_SECONDS = 15
_EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events without end: `ready`, and then each event with its type, its position as `id`,"
        " and the CloudEvent as its data.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

LastEventId = Annotated[
    str,
    Header(alias="Last-Event-ID", description="The `id` of the last event received: resume behind it."),
]


def create_stream_router(hub: EventHub, invitations: ServiceProxy) -> APIRouter:
    """Create the router with the streams of rooms and of users."""
    routes = APIRouter(tags=["streams"])

    @routes.get(
        "/v1/rooms/{roomId}/stream",
        response_class=EventSourceResponse,
        responses={**_EVENT_STREAM, **problems.problem_responses(404, 410, 422)},
    )
    async def stream_room(
        request: Request,
        room_id: path_params.RoomId,
        caller: auth.AuthenticatedCaller,
        last_event_id: LastEventId = "",
    ) -> EventSourceResponse:
        """Stream a room's events; those about invitations and grants for its host and ops only."""
        key = StreamKey("room", room_id)
        # Before the hosts are read: a change behind this position comes with the stream.
        position = await _begin(hub, key, last_event_id)
        hosts = await _fetch_hosts(request, invitations, room_id)
        viewer: Viewer = UnrestrictedViewer() if caller.is_ops else RoomViewer(caller.user_id, hosts)
        return _respond(caller, partial(hub.follow, key, position, _subscribe(request, viewer)))

    @routes.get(
        "/v1/users/{userId}/stream",
        response_class=EventSourceResponse,
        responses={**_EVENT_STREAM, **problems.problem_responses(403, 410, 422)},
    )
    async def stream_user(
        request: Request,
        user_id: path_params.UserId,
        caller: auth.AuthenticatedCaller,
        last_event_id: LastEventId = "",
    ) -> EventSourceResponse:
        """Stream the events about a user, and their invitations in all rooms. For that user and ops."""
        if not (caller.is_ops or caller.user_id == user_id):
            raise HttpProblem(403, "forbidden", "You may not read this.")
        key = StreamKey("user", user_id)
        position = await _begin(hub, key, last_event_id)
        return _respond(caller, partial(hub.follow, key, position, _subscribe(request, UnrestrictedViewer())))

    return routes


async def _begin(hub: EventHub, key: StreamKey, last_event_id: str) -> Position:
    """Return the position at which a stream begins. Raises `HttpProblem`."""
    try:
        if last_event_id:
            return await hub.resume_position(key, last_event_id)
        return await hub.current_position(key)
    except ValueError as error:
        raise HttpProblem(422, "invalid_request", f"Last-Event-ID: {error}") from None
    except PositionLost:
        raise HttpProblem(
            410, "position_gone", "The log does not have this position; begin without Last-Event-ID."
        ) from None
    except StreamsUnavailable:
        raise HttpProblem(
            503, "unavailable", "Kafka does not answer this copy, so streams cannot begin; try again."
        ) from None


async def _fetch_hosts(request: Request, invitations: ServiceProxy, room_id: str) -> HostHistory:
    """Return a room's hosts, asked for with the caller's token. Raises `HttpProblem`, also without a room."""
    answer = await invitations.send(request, "v1", "rooms", room_id, "hosts")
    if answer.status_code == 404:  # noqa: PLR2004
        raise HttpProblem(404, "room_not_found", "There is no such room.")
    if answer.status_code == 401:  # noqa: PLR2004
        raise HttpProblem(401, "unauthorized", "The token is not valid.")
    if not answer.is_success:
        raise HttpProblem(503, "unavailable", "The invitations service does not answer; try again.")
    return HostHistory(
        HostChange(item["sequence"], item["since"], item["hostId"]) for item in answer.json()["items"]
    )


def _subscribe(request: Request, viewer: Viewer) -> Subscription:
    # The task of a client that reads nothing is blocked in a write: only an abort of the connection ends it.
    return Subscription(viewer, on_slow=request.scope["state"].get(middleware.ABORT_CONNECTION))


def _respond(caller: Caller, follow: Callable[[float], AsyncGenerator[bytes, None]]) -> EventSourceResponse:
    """Return the stream that `follow` yields, ended when the caller's token expires."""
    return EventSourceResponse(follow(caller.expires_at - time.time()), ping=_HEARTBEAT_SECONDS, sep="\n")
