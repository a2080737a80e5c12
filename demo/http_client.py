"""The show over HTTP and Server-Sent Events alone, as an app plays it through the gateway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from string import Formatter
from typing import Any, Never
from urllib.parse import quote

import httpx

import cohost
from cohost import ids, tokens
from cohost.events import parse_event_data
from cohost_schemas import commands, envelope, topics
from cohost_schemas.invitation import Invitation
from cohost_schemas.topics import Topic
from cohost_schemas.types import CommandData, Message
from demo import server_events
from demo.context import HOST
from demo.server_events import ServerEvent
from demo.show_client import DemoEnvironment, OutcomeReport, ShowClient, run_readers
from demo.timeline import Timeline

_SECONDS = 20
_RETRY_SECONDS = 0.2
# A stream has a comment line every 15 s at least.
_SILENCE_SECONDS = 40
_INVITATION = "/v1/rooms/{roomId}/invitations/{invitationId}"
_CO_HOST = "/v1/rooms/{roomId}/co-hosts/{userId}"
_REQUESTS: dict[type[CommandData], tuple[str, str]] = {
    commands.SendInvitation: ("POST", "/v1/rooms/{roomId}/invitations"),
    commands.ResendInvitation: ("POST", f"{_INVITATION}/resend"),
    commands.MarkInvitationSeen: ("POST", f"{_INVITATION}/seen"),
    commands.AcceptInvitation: ("POST", f"{_INVITATION}/accept"),
    commands.DeclineInvitation: ("POST", f"{_INVITATION}/decline"),
    commands.CancelInvitation: ("POST", f"{_INVITATION}/cancel"),
    commands.RemoveCoHost: ("DELETE", _CO_HOST),
    commands.LeaveStage: ("DELETE", "/v1/rooms/{roomId}/co-hosts/{actorId}"),
    commands.ArrangeStage: ("PUT", "/v1/rooms/{roomId}/co-hosts/order"),
    commands.MuteCoHost: ("POST", f"{_CO_HOST}/mute"),
    commands.UnmuteCoHost: ("POST", f"{_CO_HOST}/unmute"),
}
_FACTS = {topics.ROOMS: ("/v1/rooms", "roomId"), topics.USERS: ("/v1/users", "userId")}


@dataclass(frozen=True)
class _Request:
    """A command as it is sent: by its actor, under its key."""

    method: str
    path: str
    body: Mapping[str, Any]
    actor: str
    key: str


class HttpShowClient(ShowClient):
    """The client of a show that knows the gateway's URL, and signs its users' tokens."""

    def __init__(self, http: httpx.AsyncClient, jwt_secret: str) -> None:
        self._http = http
        self._jwt_secret = jwt_secret
        self._answers: list[tuple[_Request, int, Any]] = []

    async def execute(self, data: CommandData, command_id: str | None = None) -> cohost.Accepted[Any]:
        """Send a command as its actor, and return the events that it caused."""
        request = _build_request(data, command_id or ids.uuid7())
        answer = await self._send_command(request)
        self._answers.append((request, answer.status_code, answer.json()))
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            _raise_problem(answer, request.key)
        return cohost.Accepted(request.key, tuple(map(_parse_event, answer.json()["events"])))

    async def write_fact(self, topic: Topic, key: str, data: Message | None) -> Any:
        """Write a fact as the platform, or a tombstone where `data` is None; return its causation id."""
        token = tokens.sign(self._jwt_secret, "platform", platform=True)
        path, id_field = _FACTS[topic]
        url = f"{path}/{quote(key, safe='')}"
        if data is None:
            answer = await self._request("DELETE", url, token)
        else:
            body = data.model_dump(mode="json", by_alias=True, exclude_none=True)
            del body[id_field]
            answer = await self._request("PUT", url, token, body)
        if answer.status_code != HTTPStatus.ACCEPTED:
            _raise_problem(answer)
        return answer.json()["causationId"]

    def read_urls(self, environment: DemoEnvironment) -> tuple[str, str]:
        """Return the gateway's URL, which has the reads of both services."""
        return environment.gateway_url, environment.gateway_url

    @contextlib.asynccontextmanager
    async def follow_room(self, room_id: str, timeline: Timeline) -> AsyncIterator[None]:
        """Record the room's events and badges during the block, as its host sees them."""
        path = f"/v1/rooms/{quote(room_id, safe='')}/stream"
        is_ready = asyncio.Event()
        async with run_readers(timeline, self._follow_stream(path, timeline, is_ready)):
            async with asyncio.timeout(_SECONDS):
                await is_ready.wait()
            yield

    async def verify_outcomes(self) -> OutcomeReport:
        """Send every command again under its key, and compare the answers."""
        violations = []
        for request, status, body in self._answers:
            again = await self._send_command(request)
            if (again.status_code, again.json()) != (status, body):
                violations.append(f"{request.method} {request.path}: {status} {body}, then {again.text}")
        count = len(self._answers)
        return OutcomeReport(violations, f"{count} commands, sent again: the same answers" if count else "")

    async def _send_command(self, request: _Request) -> httpx.Response:
        token = tokens.sign(self._jwt_secret, request.actor)
        headers = {"Idempotency-Key": request.key, "Prefer": f"wait={_SECONDS}"}
        return await self._request(request.method, request.path, token, request.body, headers)

    async def _request(
        self,
        method: str,
        path: str,
        token: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request until the answer is not 503: a command's key makes that safe, a fact is a state."""
        bearer = {"Authorization": f"Bearer {token}", **(headers or {})}
        async with asyncio.timeout(2 * _SECONDS):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await self._http.request(method, path, json=body, headers=bearer)
                    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                        return answer
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow_stream(self, path: str, timeline: Timeline, is_ready: asyncio.Event) -> None:
        """Record a stream's events; resume behind the last one whenever the stream ends."""
        position = ""
        while True:
            with contextlib.suppress(httpx.TransportError):
                async with self._open_stream(path, position) as answer:
                    if answer.status_code == HTTPStatus.OK:
                        async for event in server_events.read_events(answer.aiter_bytes()):
                            position = event.position or position
                            is_ready.set()
                            await _record_event(timeline, event)
                    elif answer.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                        await answer.aread()
                        _raise_problem(answer)
            await asyncio.sleep(_RETRY_SECONDS)

    def _open_stream(
        self, path: str, position: str
    ) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
        token = tokens.sign(self._jwt_secret, HOST)
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": position} if position else {})
        timeout = httpx.Timeout(_SECONDS, read=_SILENCE_SECONDS)
        return self._http.stream("GET", path, headers=headers, timeout=timeout)


@contextlib.asynccontextmanager
async def open_http_client(gateway_url: str, jwt_secret: str) -> AsyncIterator[HttpShowClient]:
    """Open a client of the gateway."""
    # A proxy of the environment would ask its own loopback interface, not this machine's.
    async with httpx.AsyncClient(base_url=gateway_url, timeout=2 * _SECONDS, trust_env=False) as http:
        yield HttpShowClient(http, jwt_secret)


def _build_request(command: CommandData, key: str) -> _Request:
    """Return the request for a command: what is neither in the path nor the actor is in the body."""
    method, template = _REQUESTS[type(command)]
    fields = command.model_dump(mode="json", by_alias=True, exclude_none=True)
    in_path = {name for _, name, _, _ in Formatter().parse(template) if name}
    path = template.format_map({name: quote(str(fields[name]), safe="") for name in in_path})
    left_out = {*in_path, "roomId", "actorId"}
    body = {name: value for name, value in fields.items() if name not in left_out}
    return _Request(method, path, body, fields["actorId"], key)


def _parse_event(cloud_event: Any) -> cohost.Event:
    """Return an event of an answer, which does not say where in the log it is."""
    parsed = envelope.decode_event(json.dumps(cloud_event).encode(), [])
    topic = f"{parsed.source.rpartition('/')[2]}.events"
    return cohost.Event(parsed, parse_event_data(parsed), topic, -1, -1, 0, cohost.Position({}))


async def _record_event(timeline: Timeline, event: ServerEvent) -> None:
    body = json.loads(event.data)
    if event.name == "BadgeRemoved":
        await timeline.record_badge(body["userId"], None)
    elif event.name != "ready":
        parsed = _parse_event(body)
        topic = "badges" if event.name == "BadgeChanged" else parsed.topic
        await timeline.record_event(topic, parsed.envelope.type, parsed.data)


def _raise_problem(answer: httpx.Response, key: str = "") -> Never:
    """Raise what an answer other than success means."""
    body = answer.json()
    if answer.status_code == HTTPStatus.ACCEPTED:
        raise cohost.OutcomeUnknown(key, published=True)
    if "message" in body:
        current = body.get("current") and Invitation.model_validate(
            body["current"], by_alias=True, by_name=False
        )
        raise cohost.Rejected(
            body["commandId"], body["reason"], body["message"], current=current, retry_at=body.get("retryAt")
        )
    raise cohost.ProblemError(answer.status_code, body.get("reason", ""), body.get("detail"), body)
