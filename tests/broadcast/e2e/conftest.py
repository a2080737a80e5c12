"""Broadcast services under test: on a real LiveKit, without webhooks, behind a proxy, on a fake LiveKit."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import pytest
from livekit import rtc

from stack import Stack, ports
from tests import servers
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.house import House, Place, open_house
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.proxy import Proxy, serve
from tests.broadcast.e2e.show import Guests
from tests.broadcast.e2e.worker import FOLDER
from tests.broadcast.fake_livekit import FakeLiveKit

GRACE_SECONDS = 3
NOWHERE = "http://127.0.0.1:1/nowhere"

Join = Callable[..., Awaitable[rtc.Room]]


@pytest.fixture(scope="session")
async def service(stack: Stack) -> AsyncIterator[House]:
    """The service on a real LiveKit that sends it webhooks."""
    port = ports.choose()
    async with servers.livekit(_webhook(port)) as livekit:
        endpoints = await place_of(stack, port, livekit)
        async with open_house(endpoints, COHOST_RECONNECT_GRACE_SECONDS=str(GRACE_SECONDS)) as opened:
            yield opened


@pytest.fixture(scope="session")
async def service_without_webhooks(stack: Stack) -> AsyncIterator[House]:
    """The service on a real LiveKit whose webhooks all get lost; it resyncs twice a second."""
    async with servers.livekit(NOWHERE) as livekit:
        endpoints = await place_of(stack, ports.choose(), livekit)
        async with open_house(
            endpoints, COHOST_COMPARISON_SECONDS="0.5", COHOST_RECONNECT_GRACE_SECONDS=str(GRACE_SECONDS)
        ) as opened:
            yield opened


@pytest.fixture(scope="session")
async def fake_server() -> AsyncIterator[FakeLiveKit]:
    """A fake LiveKit with faults on demand."""
    async with fake_livekit.serve() as fake_server:
        yield fake_server


@pytest.fixture(scope="session")
async def service_on_fake_livekit(stack: Stack, fake_server: FakeLiveKit) -> AsyncIterator[House]:
    """The service on the fake LiveKit, with a short call timeout and no periodic resync."""
    endpoints = await place_of(stack, ports.choose(), None, fake_server.url)
    async with open_house(
        endpoints, COHOST_LIVEKIT_TIMEOUT_SECONDS="0.5", COHOST_COMPARISON_SECONDS="3600"
    ) as opened:
        yield opened


@pytest.fixture
def fake(fake_server: FakeLiveKit) -> Iterator[FakeLiveKit]:
    """The fake LiveKit, without faults at the beginning and the end of the test."""
    fake_server.recover()
    yield fake_server
    fake_server.recover()


class Proxied(NamedTuple):
    """A service, the fault-injecting proxy between it and LiveKit, and LiveKit itself."""

    house: House
    proxy: Proxy
    livekit: Stack


@pytest.fixture(scope="module")
async def proxied_setup(
    stack: Stack, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proxied]:
    """A service whose calls to a real LiveKit pass a fault-injecting proxy; webhooks do not.

    A test module sets `SETTINGS` (more environment variables), `SERVICE` (the module to run) and
    `WITHOUT_WEBHOOKS` (webhooks get lost).
    """
    module, port = request.module, ports.choose()
    webhook = NOWHERE if getattr(module, "WITHOUT_WEBHOOKS", False) else _webhook(port)
    program = getattr(module, "SERVICE", "services.broadcast")
    told = {FOLDER: str(tmp_path_factory.mktemp("points")), **getattr(module, "SETTINGS", {})}
    async with (
        Stack(parts=["livekit"], livekit_webhook=webhook) as livekit,
        serve(livekit.livekit_url) as proxy,
    ):
        endpoints = await place_of(stack, port, livekit, proxy.url)
        async with open_house(endpoints, program, **told) as opened:
            yield Proxied(opened, proxy, livekit)


@pytest.fixture
def proxied_service(proxied_setup: Proxied, proxy: Proxy) -> House:
    """The service behind the proxy."""
    assert proxied_setup.house.endpoints.livekit_url == proxy.url
    return proxied_setup.house


@pytest.fixture
async def proxy(proxied_setup: Proxied) -> AsyncIterator[Proxy]:
    """The proxy, without faults at the beginning; the service must survive every fault of the test."""
    proxied_setup.proxy.recover()
    if not proxied_setup.house.alive:
        proxied_setup.house.start()
        await proxied_setup.house.ready()
    yield proxied_setup.proxy
    proxied_setup.proxy.recover()
    assert proxied_setup.house.alive


@pytest.fixture
def killable(proxied_setup: Proxied, proxy: Proxy) -> Mortal:
    """The service behind the proxy, with failpoints to kill it at."""
    return Mortal(proxied_setup.house, proxy)


@pytest.fixture
async def clients() -> AsyncIterator[Guests]:
    """The LiveKit clients of a test, disconnected at its end."""
    clients = Guests()
    yield clients
    await clients.leave()


@pytest.fixture
def join(service: House, clients: Guests) -> Join:
    """Return a function that connects a user to the service's LiveKit."""

    async def connect(
        room_id: str, user_id: str, *, viewer: bool = False, token: str | None = None
    ) -> rtc.Room:
        return await clients.join(service, room_id, user_id, viewer=viewer, token=token)

    return connect


def _webhook(port: int) -> str:
    return f"http://127.0.0.1:{port}/livekit/webhook"


async def place_of(stack: Stack, port: int, livekit: servers.LiveKit | None, url: str = "") -> Place:
    """Return endpoints with a new database and a new topic prefix."""
    name = f"broadcast_{secrets.token_hex(6)}"
    return Place(
        kafka=stack.kafka_bootstrap_servers,
        database_url=await stack.create_database(name),
        prefix=f"{name}.",
        livekit_url=url or (livekit.livekit_url if livekit is not None else ""),
        public_url=livekit.livekit_url if livekit is not None else url,
        livekit_key=livekit.livekit_api_key if livekit is not None else "devkey",
        livekit_secret=livekit.livekit_api_secret if livekit is not None else "a secret that guards nothing",
        http_port=port,
    )
