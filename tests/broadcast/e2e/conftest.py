"""Broadcast services under test: on a real LiveKit, without webhooks, behind a proxy, on a fake LiveKit."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import pytest
from livekit import rtc

from stack import Stack, ports
from tests import livekit_servers
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.broadcast_failpoints import FAILPOINTS_FOLDER
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy, serve_livekit_proxy
from tests.broadcast.e2e.scenario_steps import LiveKitClients
from tests.broadcast.e2e.service_under_test import Endpoints, ServiceUnderTest, run_service_under_test
from tests.broadcast.fake_livekit import FakeLiveKit

GRACE_SECONDS = 15
"""More than a co-host needs to come back, also on a busy machine."""

SHORT_GRACE_SECONDS = 3
UNREACHABLE_URL = "http://127.0.0.1:1/nowhere"

Join = Callable[..., Awaitable[rtc.Room]]


@pytest.fixture(scope="package")
async def service(stack: Stack) -> AsyncIterator[ServiceUnderTest]:
    """The service on a real LiveKit that sends it webhooks."""
    port = ports.reserve_port()
    async with livekit_servers.run_livekit(_webhook_url(port)) as livekit:
        endpoints = await create_endpoints(stack, port, livekit)
        async with run_service_under_test(
            endpoints, COHOST_RECONNECT_GRACE_SECONDS=str(GRACE_SECONDS)
        ) as opened:
            yield opened


@pytest.fixture(scope="package")
async def service_without_webhooks(stack: Stack) -> AsyncIterator[ServiceUnderTest]:
    """The service on a real LiveKit whose webhooks all get lost; it resyncs twice a second."""
    async with livekit_servers.run_livekit(UNREACHABLE_URL) as livekit:
        endpoints = await create_endpoints(stack, ports.reserve_port(), livekit)
        async with run_service_under_test(
            endpoints,
            COHOST_COMPARISON_SECONDS="0.5",
            COHOST_RECONNECT_GRACE_SECONDS=str(SHORT_GRACE_SECONDS),
        ) as opened:
            yield opened


@pytest.fixture(scope="package")
async def fake_server() -> AsyncIterator[FakeLiveKit]:
    """A fake LiveKit with faults on demand."""
    async with fake_livekit.serve_fake_livekit() as fake_server:
        yield fake_server


@pytest.fixture(scope="package")
async def service_on_fake_livekit(stack: Stack, fake_server: FakeLiveKit) -> AsyncIterator[ServiceUnderTest]:
    """The service on the fake LiveKit, with the longest call timeout and no periodic resync."""
    endpoints = await create_endpoints(stack, ports.reserve_port(), None, fake_server.url)
    async with run_service_under_test(
        endpoints, COHOST_LIVEKIT_TIMEOUT_SECONDS="5", COHOST_COMPARISON_SECONDS="3600"
    ) as opened:
        yield opened


@pytest.fixture
def fake(fake_server: FakeLiveKit) -> Iterator[FakeLiveKit]:
    """The fake LiveKit, without faults at the beginning and the end of the test."""
    fake_server.clear_faults()
    yield fake_server
    fake_server.clear_faults()


class ProxiedSetup(NamedTuple):
    """A service, the fault-injecting proxy between it and LiveKit, and LiveKit itself."""

    service: ServiceUnderTest
    proxy: LiveKitProxy
    livekit: Stack


@pytest.fixture(scope="module")
async def proxied_setup(
    stack: Stack, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ProxiedSetup]:
    """A service whose calls to a real LiveKit pass a fault-injecting proxy; webhooks do not.

    A test module sets `SETTINGS` (more environment variables), `SERVICE` (the module to run) and
    `WITHOUT_WEBHOOKS` (webhooks get lost).
    """
    module, port = request.module, ports.reserve_port()
    webhook = UNREACHABLE_URL if getattr(module, "WITHOUT_WEBHOOKS", False) else _webhook_url(port)
    program = getattr(module, "SERVICE", "services.broadcast")
    settings = {FAILPOINTS_FOLDER: str(tmp_path_factory.mktemp("points")), **getattr(module, "SETTINGS", {})}
    async with (
        Stack(components=["livekit"], livekit_webhook=webhook) as livekit,
        serve_livekit_proxy(livekit.livekit_url) as proxy,
    ):
        endpoints = await create_endpoints(stack, port, livekit, proxy.url)
        async with run_service_under_test(endpoints, program, **settings) as opened:
            yield ProxiedSetup(opened, proxy, livekit)


@pytest.fixture
def proxied_service(proxied_setup: ProxiedSetup, proxy: LiveKitProxy) -> ServiceUnderTest:
    """The service behind the proxy."""
    assert proxied_setup.service.endpoints.livekit_url == proxy.url
    return proxied_setup.service


@pytest.fixture
async def proxy(proxied_setup: ProxiedSetup) -> AsyncIterator[LiveKitProxy]:
    """The proxy, without faults at the beginning; the service must survive every fault of the test."""
    proxied_setup.proxy.clear_faults()
    if not proxied_setup.service.is_running:
        proxied_setup.service.start_process()
        await proxied_setup.service.wait_until_ready()
    yield proxied_setup.proxy
    proxied_setup.proxy.clear_faults()
    assert proxied_setup.service.is_running


@pytest.fixture
def killable(proxied_setup: ProxiedSetup, proxy: LiveKitProxy) -> KillableService:
    """The service behind the proxy, with failpoints to kill it at."""
    return KillableService(proxied_setup.service, proxy)


@pytest.fixture
async def clients() -> AsyncIterator[LiveKitClients]:
    """The LiveKit clients of a test, disconnected at its end."""
    clients = LiveKitClients()
    yield clients
    await clients.disconnect_all()


@pytest.fixture
def join(service: ServiceUnderTest, clients: LiveKitClients) -> Join:
    """Return a function that connects a user to the service's LiveKit."""

    async def connect(
        room_id: str, user_id: str, *, viewer: bool = False, token: str | None = None
    ) -> rtc.Room:
        return await clients.connect_user(service, room_id, user_id, viewer=viewer, token=token)

    return connect


def _webhook_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/livekit/webhook"


async def create_endpoints(
    stack: Stack, port: int, livekit: livekit_servers.LiveKitServer | None, url: str = ""
) -> Endpoints:
    """Return endpoints with a new database and a new topic prefix."""
    name = f"broadcast_{secrets.token_hex(6)}"
    return Endpoints(
        kafka=stack.kafka_bootstrap_servers,
        database_url=await stack.create_service_database(name),
        prefix=f"{name}.",
        livekit_url=url or (livekit.livekit_url if livekit is not None else ""),
        public_url=livekit.livekit_url if livekit is not None else url,
        livekit_key=livekit.livekit_api_key if livekit is not None else "devkey",
        livekit_secret=livekit.livekit_api_secret
        if livekit is not None
        else "a secret which guards nothing now",
        http_port=port,
    )
