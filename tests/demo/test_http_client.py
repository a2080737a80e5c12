"""The show's client over HTTP sends the contract's requests and reads their answers and streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest

import cohost
from cohost_schemas import commands, envelope
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.types import CommandData
from demo import http_client
from demo.context import HOST
from demo.http_client import HttpShowClient
from demo.timeline import Timeline

SECRET = "a secret of 32 characters or more"
INVITATION = {
    "invitationId": "i1",
    "roomId": "r",
    "userId": "bob",
    "invitedBy": HOST,
    "status": "pending",
    "sentAt": "2026-01-01T12:00:00.000Z",
    "expiresAt": "2026-01-02T12:00:00.000Z",
    "updatedAt": "2026-01-01T12:00:00.000Z",
}
SENT = envelope.build_cloud_event(
    "InvitationSent", INVITATION, event_id="e1", source="/cohost/invitations", subject="r"
)
REFUSED = {
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "reason": "already_invited",
    "message": "bob is invited already.",
    "commandId": "c1",
    "current": INVITATION,
}
BADGE = {"roomId": "r", "userId": HOST, "badge": "host", "since": "2026-01-01T12:00:00.000Z"}
WORN = envelope.build_cloud_event(
    "BadgeChanged", BADGE, event_id="e2", source="/cohost/broadcast", subject="r"
)

Answer = Callable[[httpx.Request], httpx.Response]


class FakeGateway:
    """A gateway that gives prepared answers and remembers the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = iter(answers)
        http = httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(self._answer))
        self.client = HttpShowClient(http, SECRET)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return next(self._answers)


def accepted(status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"commandId": "c1", "outcome": "accepted", "events": [SENT]})


def claims_of(request: httpx.Request) -> dict[str, Any]:
    token = request.headers["authorization"].removeprefix("Bearer ")
    return dict(jwt.decode(token, SECRET, algorithms=["HS256"]))


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_RETRY_SECONDS", 0)


@pytest.mark.parametrize(
    ("command", "method", "path", "body"),
    [
        (
            commands.SendInvitation(room_id="r", user_id="bob", actor_id=HOST, label="Guitar"),
            "POST",
            "/v1/rooms/r/invitations",
            {"userId": "bob", "expiresInSeconds": 86_400, "label": "Guitar"},
        ),
        (
            commands.ResendInvitation(room_id="r", invitation_id="i:1", actor_id=HOST),
            "POST",
            "/v1/rooms/r/invitations/i%3A1/resend",
            {},
        ),
        (
            commands.MarkInvitationSeen(room_id="r", invitation_id="i", actor_id=HOST),
            "POST",
            "/v1/rooms/r/invitations/i/seen",
            {},
        ),
        (
            commands.RemoveCoHost(room_id="r", user_id="bob", actor_id=HOST),
            "DELETE",
            "/v1/rooms/r/co-hosts/bob",
            {},
        ),
        (
            commands.LeaveStage(room_id="r", actor_id=HOST),
            "DELETE",
            f"/v1/rooms/r/co-hosts/{HOST}",
            {},
        ),
        (
            commands.ArrangeStage(room_id="r", actor_id=HOST, user_ids=("carol", "bob")),
            "PUT",
            "/v1/rooms/r/co-hosts/order",
            {"userIds": ["carol", "bob"]},
        ),
        (
            commands.MuteCoHost(room_id="r", user_id="bob", actor_id=HOST, source="camera", hard=True),
            "POST",
            "/v1/rooms/r/co-hosts/bob/mute",
            {"source": "camera", "hard": True},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CommandData) else None,
)
async def test_a_command_is_the_request_of_its_actor(
    command: CommandData, method: str, path: str, body: dict[str, object]
) -> None:
    gateway = FakeGateway(accepted())
    done = await gateway.client.execute(command, "c1")
    (request,) = gateway.requests
    assert (request.method, request.url.raw_path.decode(), json.loads(request.content)) == (
        method,
        path,
        body,
    )
    assert (request.headers["idempotency-key"], claims_of(request)["sub"]) == ("c1", HOST)
    assert (done.command_id, done.events[-1].envelope.id) == ("c1", "e1")


async def test_a_refused_command_raises_its_reason_and_the_invitation() -> None:
    gateway = FakeGateway(httpx.Response(409, json=REFUSED))
    with pytest.raises(cohost.Rejected) as caught:
        await gateway.client.send_invitation("r", "bob", HOST)
    refused = caught.value
    assert (refused.command_id, refused.reason, refused.message) == (
        "c1",
        "already_invited",
        "bob is invited already.",
    )
    assert refused.current is not None
    assert refused.current.invitation_id == "i1"


async def test_a_command_without_an_outcome_in_time_is_unknown() -> None:
    gateway = FakeGateway(httpx.Response(202, json={"commandId": "c1", "outcome": "pending"}))
    with pytest.raises(cohost.OutcomeUnknown):
        await gateway.client.send_invitation("r", "bob", HOST)


async def test_a_command_is_sent_again_with_its_key_after_503() -> None:
    away = httpx.Response(503, json={"status": 503, "reason": "unavailable", "commandId": "c1"})
    gateway = FakeGateway(away, accepted(201))
    await gateway.client.send_invitation("r", "bob", HOST)
    first, second = gateway.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_missing_scope_raises_the_problem() -> None:
    gateway = FakeGateway(httpx.Response(403, json={"status": 403, "reason": "forbidden", "detail": None}))
    with pytest.raises(cohost.ProblemError, match="403 forbidden"):
        await gateway.client.user_gone("bob")


async def test_facts_are_written_by_the_platform() -> None:
    gateway = FakeGateway(*(httpx.Response(202, json={"causationId": "f"}) for _ in range(3)))
    await gateway.client.set_room(RoomChanged(room_id="r", host_id="r", status="live"))
    await gateway.client.set_user(UserChanged(user_id="bob", status="active"))
    await gateway.client.user_gone("bob")
    sent = [
        (request.method, request.url.path, json.loads(request.content or "null"))
        for request in gateway.requests
    ]
    room = {"hostId": "r", "status": "live", "maxCoHosts": 5}
    assert sent[0] == ("PUT", "/v1/rooms/r", room)
    assert sent[1][2]["status"] == "active"
    assert "userId" not in sent[1][2]
    assert sent[2] == ("DELETE", "/v1/users/bob", None)
    assert {claims_of(request)["scope"] for request in gateway.requests} == {"cohost:platform"}


async def test_every_command_is_sent_again_and_its_answer_compared() -> None:
    changed = httpx.Response(409, json=REFUSED | {"reason": "room_full"})
    gateway = FakeGateway(accepted(201), httpx.Response(409, json=REFUSED), accepted(201), changed)
    await gateway.client.send_invitation("r", "bob", HOST, command_id="c1")
    with pytest.raises(cohost.Rejected):
        await gateway.client.send_invitation("r", "bob", HOST, command_id="c2")
    report = await gateway.client.verify_outcomes()
    assert [violation.partition(":")[0] for violation in report.violations] == [
        "POST /v1/rooms/r/invitations"
    ]
    assert [request.headers["idempotency-key"] for request in gateway.requests] == ["c1", "c2", "c1", "c2"]


def server_event(name: str, position: str, data: object) -> str:
    return f"event: {name}\nid: {position}\ndata: {json.dumps(data)}\n\n"


def stream(*texts: str) -> httpx.Response:
    """Return an answer whose body breaks off behind the texts."""

    async def body() -> AsyncIterator[bytes]:
        for text in texts:
            yield text.encode()
        message = "the connection is lost"
        raise httpx.ReadError(message)

    return httpx.Response(200, content=body())


async def test_a_stream_is_resumed_behind_its_last_event() -> None:
    gone = server_event("BadgeRemoved", "p3", {"roomId": "r", "userId": HOST})
    gateway = FakeGateway(
        httpx.Response(404, json={"status": 404, "reason": "room_not_found"}),
        stream(server_event("ready", "p1", {}), server_event("InvitationSent", "p2", SENT)),
        stream(server_event("ready", "p2", {}), gone, server_event("BadgeChanged", "p4", WORN)),
        httpx.Response(410, json={"status": 410, "reason": "position_gone"}),
    )
    timeline = Timeline()
    async with gateway.client.follow_room("r", timeline), asyncio.timeout(10):
        await timeline.wait_for_event("InvitationSent", "bob")
        await timeline.wait_for_event("(badge removed)", HOST)
        await timeline.wait_for_event("BadgeChanged", HOST, badge="host")
        while len(gateway.requests) < 4:
            await asyncio.sleep(0)
    positions = [request.headers.get("last-event-id") for request in gateway.requests]
    assert positions == [None, None, "p2", "p4"]
    assert {claims_of(request)["sub"] for request in gateway.requests} == {HOST}
