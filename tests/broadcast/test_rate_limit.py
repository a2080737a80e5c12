"""LiveKit's rate limit: calls pause as long as an answer asks for."""

import email.utils
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.broadcast.livekit import rate_limit
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.livekit.rate_limit import RateLimit
from services.broadcast.metrics import LiveKitMetrics
from tests.broadcast.fake_livekit import FakeLiveKit


@pytest.fixture
async def livekit_client(fake: FakeLiveKit) -> AsyncIterator[LiveKitClient]:
    secret = "a secret that only the tests know, and LiveKit"
    opened = LiveKitClient(fake.url, "devkey", secret, 60, LiveKitMetrics(CollectorRegistry()))
    yield opened
    await opened.close()


def limited(status: int = 429, **headers: str) -> Any:
    return lambda: web.json_response(
        {"code": "resource_exhausted", "msg": ""}, status=status, headers=headers
    )


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, None, 1.0),
        (429, "7", 7.0),
        (429, "soon", 1.0),
        (429, "86400", 60.0),
        (503, "7", 7.0),
        (503, None, 0.0),
        (200, "7", 0.0),
        (500, "7", 0.0),
    ],
)
def test_an_answer_pauses_calls_as_long_as_it_asks(status: int, header: str | None, seconds: float) -> None:
    limit = RateLimit(lambda: 100.0)
    limit.record_answer(status, header)
    assert limit.seconds_left() == seconds


def test_the_header_may_be_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000.0
    monkeypatch.setattr(rate_limit.time, "time", lambda: now)
    limit = RateLimit(lambda: 100.0)
    limit.record_answer(429, email.utils.formatdate(now + 20, usegmt=True))
    assert limit.seconds_left() == 20
    limit = RateLimit(lambda: 100.0)
    limit.record_answer(429, email.utils.formatdate(now - 20, usegmt=True))
    assert limit.seconds_left() == 0.0


async def test_no_call_is_made_while_livekit_limits_the_rate(
    fake: FakeLiveKit, livekit_client: LiveKitClient
) -> None:
    fake.error_replies["ListRooms"] = limited(**{"Retry-After": "60"})
    for _ in range(3):
        with pytest.raises(CallFailed) as failed:
            await livekit_client.list_rooms()
        assert failed.value.retryable
        assert 30 < failed.value.retry_after <= 60
    with pytest.raises(CallFailed):
        await livekit_client.create_room("room", 60)
    assert (fake.calls["ListRooms"], fake.calls["CreateRoom"]) == (1, 0)
    assert await livekit_client.check_access() is True


async def test_calls_go_on_after_the_pause(fake: FakeLiveKit, livekit_client: LiveKitClient) -> None:
    fake.error_replies["ListRooms"] = limited(**{"Retry-After": "0"})
    with pytest.raises(CallFailed):
        await livekit_client.list_rooms()
    fake.error_replies.clear()
    assert await livekit_client.list_rooms() == {}
