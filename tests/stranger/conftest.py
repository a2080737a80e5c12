"""Fixtures: the deployment under test, a Kafka and a web client for it, and some users."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from tests.stranger import whole_log
from tests.stranger.client import Stranger, connected, unique
from tests.stranger.onstage import Director
from tests.stranger.overdue import Overdue
from tests.stranger.participants import LiveKit
from tests.stranger.place import Place, read
from tests.stranger.web import Web


class People(NamedTuple):
    """Active users that every test may invite into its own rooms."""

    bob: str
    carol: str
    dave: str
    erin: str


class World(NamedTuple):
    """The client, and invitations that expire while the tests run."""

    stranger: Stranger
    overdue: Overdue


@pytest.fixture(scope="session")
async def deployment(stack: Any) -> AsyncIterator[Place]:
    """The deployment named by the environment, as by `.stack/env`, or else a new one."""
    if "COHOST_INVITATIONS_URL" in os.environ:
        yield read(os.environ)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHOST_KAFKA_BOOTSTRAP_SERVERS", stack.kafka_bootstrap_servers)
        patch.setenv("COHOST_DATABASE_URL", stack.database_url)
        # Not the shared LiveKit: other tests set its webhooks.
        own = type(stack)(parts=["livekit"])
    async with own:
        settings = {
            "COHOST_RECONNECT_GRACE_SECONDS": "3",
            "COHOST_LIVEKIT_PUBLIC_URL": own.livekit_url.replace("127.0.0.1", "localhost"),
        }
        async with own.services(f"{unique('contract')}.", extra_env=settings) as running:
            urls = {
                "COHOST_INVITATIONS_URL": running.invitations_url,
                "COHOST_BROADCAST_URL": running.broadcast_url,
            }
            yield read({**running.environment, **urls})


@pytest.fixture(scope="session")
async def web(deployment: Place) -> AsyncIterator[Web]:
    async with Web(deployment) as web:
        yield web


@pytest.fixture(scope="session")
async def contract_session(deployment: Place, web: Web) -> AsyncIterator[World]:
    async with connected(deployment) as client:
        expiring = Overdue(client, web)
        yield World(client, expiring)
        await expiring.stop()
        if "PYTEST_XDIST_WORKER" in os.environ:
            # test_zz_log_invariants runs in one process only, but each process has its own deployment.
            for claim in whole_log.CLAIMS:
                await claim(client)


@pytest.fixture(scope="session")
async def client(contract_session: World) -> Stranger:
    return contract_session.stranger


@pytest.fixture(scope="session")
async def expiring(contract_session: World) -> Overdue:
    return contract_session.overdue


@pytest.fixture(scope="session")
async def people(client: Stranger) -> People:
    return People(*await asyncio.gather(*(client.user() for _ in People._fields)))


@pytest.fixture(scope="session")
async def livekit(deployment: Place) -> AsyncIterator[LiveKit]:
    livekit = LiveKit(deployment)
    yield livekit
    await livekit.close()


@pytest.fixture(scope="session")
async def stage_driver(client: Stranger, web: Web) -> Director:
    return Director(client, web)
