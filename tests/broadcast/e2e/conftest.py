"""Houses to test in: with a real LiveKit, with one whose webhooks get lost, with one that fails as told."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from stack import Stack, ports
from tests.broadcast import fake_livekit
from tests.broadcast.e2e.house import House, Place, open_house
from tests.broadcast.fake_livekit import FakeLiveKit

GRACE_SECONDS = 3


@pytest.fixture(scope="session")
async def house(stack: Stack) -> AsyncIterator[House]:
    """The service with a real LiveKit that reports to it."""
    port = ports.choose()
    async with Stack(
        parts=["livekit"], livekit_webhook=f"http://127.0.0.1:{port}/livekit/webhook"
    ) as livekit:
        place = await place_of(stack, port, livekit)
        async with open_house(place, COHOST_RECONNECT_GRACE_SECONDS=str(GRACE_SECONDS)) as opened:
            yield opened


@pytest.fixture(scope="session")
async def deaf_house(stack: Stack) -> AsyncIterator[House]:
    """The service with a real LiveKit whose webhooks all get lost; it compares twice a second."""
    async with Stack(parts=["livekit"], livekit_webhook="http://127.0.0.1:1/nowhere") as livekit:
        place = await place_of(stack, ports.choose(), livekit)
        async with open_house(
            place, COHOST_COMPARISON_SECONDS="0.5", COHOST_RECONNECT_GRACE_SECONDS=str(GRACE_SECONDS)
        ) as opened:
            yield opened


@pytest.fixture(scope="session")
async def served() -> AsyncIterator[FakeLiveKit]:
    """A LiveKit that fails as told."""
    async with fake_livekit.serve() as served:
        yield served


@pytest.fixture(scope="session")
async def frail_house(stack: Stack, served: FakeLiveKit) -> AsyncIterator[House]:
    """The service with a LiveKit that fails as told, and soon."""
    place = await place_of(stack, ports.choose(), None, served.url)
    async with open_house(
        place, COHOST_LIVEKIT_TIMEOUT_SECONDS="0.5", COHOST_COMPARISON_SECONDS="3600"
    ) as opened:
        yield opened


@pytest.fixture
def fake(served: FakeLiveKit) -> Iterator[FakeLiveKit]:
    """The LiveKit of the frail house, in good health until told otherwise."""
    served.recover()
    yield served
    served.recover()


async def place_of(stack: Stack, port: int, livekit: Stack | None, url: str = "") -> Place:
    """Return a place with a database and topics of its own."""
    name = f"broadcast_{secrets.token_hex(6)}"
    return Place(
        kafka=stack.kafka_bootstrap_servers,
        database_url=await stack.create_database(name),
        prefix=f"{name}.",
        livekit_url=livekit.livekit_url if livekit is not None else url,
        livekit_key=livekit.livekit_api_key if livekit is not None else "devkey",
        livekit_secret=livekit.livekit_api_secret if livekit is not None else "a secret that guards nothing",
        http_port=port,
    )
