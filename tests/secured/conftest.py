"""Fixtures: a broker with the ACLs of docs/operations.md, and both services and the gateway on it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack import Stack, components, ports, settings
from stack import services as stack_services
from stack.processes import process
from stack.services import ServiceProcess
from tests.broadcast import fake_livekit
from tests.secured import documented_acls, secured_broker
from tests.secured.secured_broker import SecuredBroker

PARTITIONS = 2
PRINCIPALS = ("platform", "gateway", "invitations", "broadcast", "exporter", "readers", "ops")


@dataclass(frozen=True)
class SecuredServices:
    """The services, each under its principal; `processes` and `urls` have the last started copy of each."""

    secured: SecuredBroker
    environment: dict[str, str]
    folder: Path
    exit_stack: AsyncExitStack
    processes: dict[str, process.Process] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    async def start_copy(self, name: str) -> None:
        """Start a copy and wait until it is ready."""
        port = ports.reserve_port()
        self.exit_stack.callback(ports.release_ports, port)
        environment = {**self.environment, **self.secured.client_variables(name)}
        if name == stack_services.GATEWAY:
            environment |= stack_services.url_variables(self.urls["invitations"], self.urls["broadcast"])
        copy = ServiceProcess(name, (port,), environment, self.folder / f"{name}-{port}.log")
        self.processes[name] = await components.launch_component(copy)
        self.urls[name] = copy.address
        self.exit_stack.push_async_callback(self.processes[name].stop)


@pytest.fixture(scope="package")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredBroker]:
    async with secured_broker.run_secured_broker(tmp_path_factory.mktemp("secured"), PRINCIPALS) as secured:
        await secured.create_topics(documented_acls.PREFIX, PARTITIONS)
        await secured.add_acls(documented_acls.acls_in_table())
        yield secured


@pytest.fixture(scope="package")
async def environment(secured: SecuredBroker, stack: Stack) -> AsyncIterator[dict[str, str]]:
    """The environment variables of both services."""
    database_url = await stack.create_service_database(f"secured_{secrets.token_hex(6)}")
    async with fake_livekit.serve_fake_livekit() as livekit:
        yield {
            **stack.inherited,
            **stack_services.service_variables(
                secured.address,
                database_url,
                livekit.url,
                settings.generate_secrets(),
                documented_acls.PREFIX,
            ),
            "COHOST_CREATE_TOPICS": "false",
            # Longer than a grant takes on a busy machine.
            "COHOST_NO_SHOW_SECONDS": "5",
            "COHOST_SESSION_TIMEOUT_MS": "2000",
        }


@pytest.fixture(scope="package")
async def services(
    secured: SecuredBroker, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecuredServices]:
    async with AsyncExitStack() as ending:
        started = SecuredServices(secured, environment, tmp_path_factory.mktemp("logs"), ending)
        await process.run_concurrently(started.start_copy("invitations"), started.start_copy("broadcast"))
        yield started
