import contextlib

import httpx

from stack import Stack, ports
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.conftest import place_of
from tests.broadcast.e2e.house import House, open_house, until


async def test_the_service_is_ready_only_while_livekit_answers(stack: Stack) -> None:
    async with contextlib.AsyncExitStack() as opened:
        async with fake_livekit.serve() as fake:
            endpoints = await place_of(stack, ports.choose(), None, fake.url)
            service = await opened.enter_async_context(open_house(endpoints))
        await until(lambda: _lacks_livekit(service))


async def _lacks_livekit(service: House) -> bool:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{service.endpoints.http_port}/readyz")
    parts = {"lanes": True, "kafka": True, "database": True, "livekit": answer.status_code == 200}
    assert answer.json()["parts"] == parts
    return answer.status_code == 503
