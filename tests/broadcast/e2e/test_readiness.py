import contextlib

import httpx

from stack import Stack, ports
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.conftest import create_endpoints
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, run_service_under_test, wait_until


async def test_the_service_is_ready_only_while_livekit_answers(stack: Stack) -> None:
    async with contextlib.AsyncExitStack() as opened:
        async with fake_livekit.serve_fake_livekit() as fake:
            endpoints = await create_endpoints(stack, ports.reserve_port(), None, fake.url)
            service = await opened.enter_async_context(run_service_under_test(endpoints))
        await wait_until(lambda: _is_waiting_for_livekit(service))


async def _is_waiting_for_livekit(service: ServiceUnderTest) -> bool:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{service.endpoints.http_port}/readyz")
    parts = {
        "lanes": True,
        "facts": True,
        "kafka": True,
        "database": True,
        "livekit": answer.status_code == 200,
    }
    assert answer.json()["parts"] == parts
    return answer.status_code == 503
