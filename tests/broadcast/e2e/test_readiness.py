"""Readiness follows LiveKit: it is away, it answers, it refuses our key."""

import contextlib

import httpx

from stack import Stack, ports
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.conftest import create_endpoints
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, run_service_under_test, wait_until
from tests.broadcast.fake_livekit import twirp_error


async def test_the_service_is_ready_only_while_livekit_accepts_it(stack: Stack) -> None:
    async with contextlib.AsyncExitStack() as opened:
        async with fake_livekit.serve_fake_livekit() as fake:
            endpoints = await create_endpoints(stack, ports.reserve_port(), None, fake.url)
            service = await opened.enter_async_context(run_service_under_test(endpoints))
            fake.error_replies["ListRooms"] = lambda: twirp_error(401, "unknown")
            await wait_until(lambda: _has_livekit_status(service, status="unauthorized"))
            fake.error_replies.clear()
            await wait_until(lambda: _has_livekit_status(service, status=True))
        await wait_until(lambda: _has_livekit_status(service, status=False))
        await service.stop_process()
        service.start_process()
        await wait_until(lambda: _has_livekit_status(service, status=False))
        assert service.is_running


async def _has_livekit_status(service: ServiceUnderTest, *, status: object) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{service.endpoints.http_port}/readyz")
        except httpx.TransportError:
            return False
    parts = answer.json()["parts"]
    assert (answer.status_code == 200) == all(part is True for part in parts.values())
    return bool(parts["livekit"] == status)
