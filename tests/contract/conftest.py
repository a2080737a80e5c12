"""Fixtures: the deployment under test, a Kafka and a web client for it, and some users."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from tests.contract import log_invariants
from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, open_contract_client, unique_id
from tests.contract.deployment import Deployment, read_deployment
from tests.contract.expiring_invitations import ExpiringInvitations
from tests.contract.gateway_client import GatewayClient
from tests.contract.livekit_participants import LiveKitServerApi
from tests.contract.service_processes import run_gateway
from tests.contract.web_client import WebClient

ORIGINS = ("https://app.example.com", "http://localhost:3000")
COMMANDS_PER_MINUTE = 40


class People(NamedTuple):
    """Active users that every test may invite into its own rooms."""

    bob: str
    carol: str
    dave: str
    erin: str


class ContractSession(NamedTuple):
    """The client, and invitations that expire while the tests run."""

    client: ContractClient
    expiring: ExpiringInvitations


@pytest.fixture(scope="package")
async def deployment(stack: Any) -> AsyncIterator[Deployment]:
    """The deployment named by the environment, as by `.stack/env`, or else a new one."""
    if "COHOST_INVITATIONS_URL" in os.environ:
        yield read_deployment(os.environ)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHOST_KAFKA_BOOTSTRAP_SERVERS", stack.kafka_bootstrap_servers)
        patch.setenv("COHOST_DATABASE_URL", stack.database_url)
        # Not the shared LiveKit: other tests set its webhooks.
        own = type(stack)(components=["livekit"])
    async with own:
        settings = {
            # Tests bring users back within it: it must be longer than a busy machine stalls.
            "COHOST_RECONNECT_GRACE_SECONDS": "10",
            # It is idle for most of the session: by default it would ask Kafka 100 times a second.
            "COHOST_FETCH_MAX_WAIT_MS": "100",
            "COHOST_LIVEKIT_PUBLIC_URL": own.livekit_url.replace("127.0.0.1", "localhost"),
        }
        async with own.run_services(f"{unique_id('contract')}.", extra_env=settings) as running:
            urls = {
                "COHOST_INVITATIONS_URL": running.invitations_url,
                "COHOST_BROADCAST_URL": running.broadcast_url,
            }
            yield read_deployment({**running.environment, **urls})


@pytest.fixture(scope="package")
async def web(deployment: Deployment) -> AsyncIterator[WebClient]:
    async with WebClient(deployment) as web:
        yield web


@pytest.fixture(scope="package")
async def contract_session(deployment: Deployment, web: WebClient) -> AsyncIterator[ContractSession]:
    async with open_contract_client(deployment) as client:
        expiring = ExpiringInvitations(client, web)
        yield ContractSession(client, expiring)
        await expiring.stop()
        if "PYTEST_XDIST_WORKER" in os.environ:
            # test_zz_log_invariants runs in one process only, but each process has its own deployment.
            for claim in log_invariants.INVARIANTS:
                await claim(client)


@pytest.fixture(scope="package")
async def client(contract_session: ContractSession) -> ContractClient:
    return contract_session.client


@pytest.fixture(scope="package")
async def expiring(contract_session: ContractSession) -> ExpiringInvitations:
    return contract_session.expiring


@pytest.fixture(scope="package")
async def people(client: ContractClient) -> People:
    return People(*await asyncio.gather(*(client.create_user() for _ in People._fields)))


@pytest.fixture(scope="package")
async def livekit(deployment: Deployment) -> AsyncIterator[LiveKitServerApi]:
    livekit = LiveKitServerApi(deployment)
    yield livekit
    await livekit.close()


@pytest.fixture(scope="package")
async def stage_driver(client: ContractClient, web: WebClient) -> StageDriver:
    return StageDriver(client, web)


@pytest.fixture(scope="package")
async def gateway_deployment(deployment: Deployment) -> AsyncIterator[Deployment]:
    """The deployment with a gateway: its own, or else a new one."""
    if deployment.gateway_url:
        yield deployment
        return
    async with run_gateway(deployment) as there:
        yield there


@pytest.fixture(scope="package")
async def gateway(gateway_deployment: Deployment, web: WebClient) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(web, gateway_deployment.gateway_url) as gateway:
        yield gateway


@pytest.fixture(scope="package")
async def second_gateway(deployment: Deployment, web: WebClient) -> AsyncIterator[GatewayClient]:
    """Another copy, which browsers may call and which counts up to `COMMANDS_PER_MINUTE`."""
    variables = {
        "COHOST_CORS_ORIGINS": ",".join(ORIGINS),
        "COHOST_COMMANDS_PER_MINUTE": str(COMMANDS_PER_MINUTE),
    }
    async with (
        run_gateway(deployment, **variables) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        yield gateway
