"""Many consoles ask for the state at once: the services are asked once, with a token that is still good."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from prometheus_client import CollectorRegistry

from services.gateway.ops.shared_answers import SharedAnswers
from services.gateway.ops.state import routes, service_answers
from services.gateway.services import ServiceProxy
from services.gateway.settings import GatewaySettings
from services.runtime.http import fastapi_app
from services.runtime.readiness import Readiness

SECRET = "a secret of the tests, long enough for PyJWT"
CONSOLES = 100
SECONDS = 60


@dataclass
class SlowServices:
    """Both services, which do not answer before they may; then with what no gateway understands."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: Counter[str] = field(default_factory=Counter)
    tokens: list[str] = field(default_factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked[str(request.url)] += 1
        self.tokens.append(request.headers["authorization"])
        await self.may_answer.wait()
        return httpx.Response(200, content=b"{}")


@pytest.fixture
def services() -> SlowServices:
    return SlowServices()


@pytest.fixture
async def web(services: SlowServices) -> AsyncIterator[httpx.AsyncClient]:
    invitations, broadcast = (
        ServiceProxy(name, f"http://{name}", httpx.MockTransport(services.answer))
        for name in ("invitations", "broadcast")
    )
    application = fastapi_app.create_process_app(
        "Ops",
        settings=GatewaySettings(jwt_secret=SECRET, invitations_url="http://i", broadcast_url="http://b"),
        registry=CollectorRegistry(),
        readiness=Readiness({}, dict),
        topology=None,
        routers=[routes.create_state_router(invitations, broadcast, None)],
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await invitations.close()
    await broadcast.close()


async def ask(web: httpx.AsyncClient, path: str, user: str) -> str:
    """Ask as this operator, and return the header with the token."""
    token = jwt.encode({"sub": user, "exp": time.time() + 600, "scope": "cohost:ops"}, SECRET, "HS256")
    headers = {"Authorization": f"Bearer {token}"}
    answer = await web.get(f"/v1/ops/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return headers["Authorization"]


async def test_consoles_at_once_ask_the_services_once(
    services: SlowServices, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ("overview", "lanes", "system", "stages", "stages?limit=5")
    get, waiting = SharedAnswers.get, 0

    async def count(self: SharedAnswers[Any], *question: Any) -> Any:
        nonlocal waiting
        waiting += 1
        return await get(self, *question)

    monkeypatch.setattr(SharedAnswers, "get", count)
    monkeypatch.setattr(service_answers, "_SECONDS", SECONDS)
    asking = [asyncio.create_task(ask(web, path, f"o-{n}")) for n in range(CONSOLES) for path in paths]
    async with asyncio.timeout(SECONDS):
        # An answer is shared for half a second, in which a busy machine may not read all requests.
        while waiting < len(asking):
            await asyncio.sleep(0)
        services.may_answer.set()
        await asyncio.gather(*asking)
    assert len(services.asked) == 2 * 3 + 2
    assert max(services.asked.values()) == 1


async def test_each_answer_is_asked_with_a_present_token(
    services: SlowServices, web: httpx.AsyncClient
) -> None:
    services.may_answer.set()
    first = await ask(web, "overview", "first")
    assert set(services.tokens) == {first}
    async with asyncio.timeout(SECONDS):
        while set(services.tokens[-2:]) == {first}:
            second = await ask(web, "overview", "second")
    assert set(services.tokens[-2:]) == {second}
