"""Tokens are not logged, and tolerate a clock skew to LiveKit."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from livekit import api
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, topics
from services.broadcast.domain import permissions
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from stack import Stack, ports
from tests.broadcast.e2e.conftest import create_endpoints
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    LiveKitClients,
    forged_token,
    open_room,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, run_service_under_test


@pytest.mark.parametrize("seconds", [-50, 50])
async def test_a_clock_skew_under_a_minute_does_no_harm(
    service: ServiceUnderTest, clients: LiveKitClients, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + dt.timedelta(seconds=seconds)

    name = await open_room(service)
    endpoints = service.endpoints
    monkeypatch.setattr(dt, "datetime", Wrong)
    livekit_client = LiveKitClient(
        endpoints.public_url,
        endpoints.livekit_key,
        endpoints.livekit_secret,
        4.0,
        LiveKitMetrics(CollectorRegistry()),
    )
    token = livekit_client.create_token(name, "alice", permissions.for_badge("host"), "host").text
    await livekit_client.create_room(name, 60)
    assert name in await livekit_client.list_rooms([name])
    await livekit_client.close()
    monkeypatch.undo()
    claims = api.TokenVerifier(endpoints.livekit_key, endpoints.livekit_secret).verify(token)
    assert claims.video is not None
    alice = await clients.connect_user(service, name, "alice", token=token)
    assert rights_of(alice) == {**CO_HOST_RIGHTS, "badge": "host"}


async def test_no_token_is_logged(stack: Stack, clients: LiveKitClients, tmp_path: Path) -> None:
    port = ports.reserve_port()
    webhook = f"http://127.0.0.1:{port}/livekit/webhook"
    async with Stack(components=["livekit"], livekit_webhook=webhook) as livekit:
        endpoints = await create_endpoints(stack, port, livekit)
        log = tmp_path / "log"
        with log.open("wb") as written:
            async with run_service_under_test(
                endpoints, log=written, COHOST_LOG_LEVEL="debug", COHOST_LIVEKIT_TIMEOUT_SECONDS="0.5"
            ) as service:
                name = await open_room(service)
                seat, _ = await seat_and_connect(service, clients, name)
                await clients.connect_user(service, name, "vera", viewer=True)
                await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
                await service.wait_for_event("IntruderRemoved", name, "mallory")
                mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera")
                await service.publish_record(topics.BROADCAST_COMMANDS, mute, name)
                livekit.process_of("livekit").kill()
                await service.end_seat(name, "bob", seat)
                await service.wait_for_event("GrantFailed", name, "bob")
                refusal = await service.http_get(f"/v1/rooms/{name}/broadcast-data", "alice")
                assert refusal.status_code == 503
        text = log.read_text()
    assert "LiveKit calls fail" in text
    assert endpoints.livekit_secret not in text
    # Every JSON Web Token begins like this.
    assert "eyJ" not in text
