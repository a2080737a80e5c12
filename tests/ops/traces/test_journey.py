"""One trace from an HTTP request to the co-host's connection, through all processes."""

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

import cohost
from cohost_schemas.facts import RoomChanged
from stack import Stack
from stack.services import RunningServices
from tests.contract.livekit_participants import join_room
from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import unique
from tests.ops.traces.otlp_collector import CollectedSpan, OtlpCollector

PARENT_SPAN = "00f067aa0ba902b7"
HOST = "alice"


@dataclass
class TracedShow:
    """Both services and a gateway that send their spans to the collector."""

    services: RunningServices
    client: cohost.Client
    collector: OtlpCollector

    async def request(
        self, method: str, path: str, user: str, body: Any = None, traceparent: str | None = None
    ) -> Any:
        claims = {"sub": user, "exp": int(time.time()) + 600}
        token = jwt.encode(claims, self.services.jwt_secret, "HS256")
        headers = {"Authorization": f"Bearer {token}"}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        async with httpx.AsyncClient(base_url=self.services.gateway_url, timeout=40) as web:
            answer = await web.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def has_report(self) -> bool:
        """Return whether LiveKit has reported anything that counts."""
        async with httpx.AsyncClient(base_url=self.services.broadcast_url, timeout=40) as web:
            metrics = (await web.get("/metrics")).text
        return 'cohost_livekit_webhooks_total{result="written"} 0.0' not in metrics

    async def open_room(self) -> str:
        room = unique("room")
        await self.client.set_room(RoomChanged(room_id=room, host_id=HOST, status="live"))

        async def is_known() -> bool:
            for path in (f"/v1/rooms/{room}", f"/v1/rooms/{room}/stage"):
                try:
                    await self.request("GET", path, HOST)
                except AssertionError:
                    return False
            return True

        await wait_until(is_known, f"room {room}", 60)
        return room


@pytest.fixture
async def show(stack: Stack, collector: OtlpCollector) -> AsyncIterator[TracedShow]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHOST_KAFKA_BOOTSTRAP_SERVERS", stack.kafka_bootstrap_servers)
        patch.setenv("COHOST_DATABASE_URL", stack.database_url)
        # Not the shared LiveKit: other tests set its webhooks.
        own = Stack(components=["livekit"])
    variables = {**collector.variables, "COHOST_UNKNOWN_USERS": "accept", "COHOST_PARTITIONS": "3"}
    async with (
        own,
        own.run_services(f"{unique('traces')}.", variables, with_gateway=True) as services,
        cohost.Client(stack.kafka_bootstrap_servers, prefix=services.prefix, timeout=30) as client,
    ):
        yield TracedShow(services, client, collector)


async def ancestors(collector: OtlpCollector, span: CollectedSpan) -> list[str]:
    """Return the service and name of a span and of those above it, up to the trace's first.

    Each process exports its spans when it likes: one may come after those that it caused.
    """
    names = [f"{span.service}: {span.name}"]
    while span.parent_id != PARENT_SPAN:
        span = await collector.wait_for_parent(span)
        names.append(f"{span.service}: {span.name}")
    return names


async def test_an_acceptance_is_one_trace_from_request_to_connection(show: TracedShow) -> None:
    collector, prefix, trace = show.collector, show.services.prefix, secrets.token_hex(16)
    room = await show.open_room()
    sent = await show.request("POST", f"/v1/rooms/{room}/invitations", HOST, {"userId": "bob"})
    invitation = sent["commandId"]
    viewing = await show.request("GET", f"/v1/rooms/{room}/broadcast-data?as=viewer", "bob")
    assert collector.spans == []
    async with join_room(viewing) as bob:
        # Otherwise LiveKit's report may be what says that he is connected.
        await wait_until(show.has_report, "LiveKit's report of bob", 60)
        path = f"/v1/rooms/{room}/invitations/{invitation}/accept"
        await show.request("POST", path, "bob", traceparent=f"00-{trace}-{PARENT_SPAN}-01")
        await wait_until(lambda: bob.can_publish, "the right to publish", 60)
        connected = await collector.wait_for(trace, "CoHostConnected")
        call = await collector.wait_for(trace, "livekit.RoomService/UpdateParticipant")
        result = await collector.wait_for(
            trace, f"process {prefix}broadcast.signals", events=["GrantProvisioned", "CoHostConnected"]
        )
    request = [
        f"broadcast: process {prefix}invitations.events",
        f"invitations: process {prefix}invitations.commands",
        f"gateway: send {prefix}invitations.commands",
        "gateway: POST /v1/rooms/{roomId}/invitations/{invitationId}/accept",
    ]
    assert await ancestors(collector, connected) == ["broadcast: CoHostConnected", *request]
    grant = ["broadcast: apply rights", *request]
    assert await ancestors(collector, call) == ["broadcast: livekit.RoomService/UpdateParticipant", *grant]
    assert await ancestors(collector, result) == [
        f"broadcast: process {prefix}broadcast.signals",
        f"broadcast: send {prefix}broadcast.signals",
        *grant,
    ]
    assert [span for span in collector.find(trace) if span.failed] == []
    decisions = [span for span in collector.find(trace) if span.kind == "consumer"]
    for span in decisions:
        await wait_until(lambda span=span: collector.linked_to(span, "commit"), f"the commit of {span}", 60)
    [accepted] = [span for span in decisions if span.service == "invitations"]
    assert accepted.attributes["cohost.events"] == ["InvitationAccepted"]
    await wait_until(lambda: collector.linked_to(accepted, "send"), "the publication", 60)


async def test_a_fact_over_http_is_traced(show: TracedShow) -> None:
    trace, room = secrets.token_hex(16), unique("room")
    claims = {"sub": "platform", "exp": int(time.time()) + 600, "scope": "cohost:platform"}
    token = jwt.encode(claims, show.services.jwt_secret, "HS256")
    headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace}-{PARENT_SPAN}-01"}
    async with httpx.AsyncClient(base_url=show.services.gateway_url) as web:
        answer = await web.put(f"/v1/rooms/{room}", json={"hostId": HOST, "status": "live"}, headers=headers)
    assert answer.status_code == 202, answer.text
    name = f"process {show.services.prefix}rooms"
    decided = await show.collector.wait_for(trace, name)
    assert await ancestors(show.collector, decided) == [
        f"invitations: {name}",
        f"gateway: send {show.services.prefix}rooms",
        "gateway: PUT /v1/rooms/{roomId}",
    ]
