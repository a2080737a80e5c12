"""Kafka, Postgres and LiveKit in containers, for `pytest --containers`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from stack import ports, settings
from stack.servers.livekit import LiveKit
from stack.settings import ComponentContext
from tests.livekit_servers import IN_CONTAINERS

_KAFKA = "apache/kafka:4.3.0"
_POSTGRES = "postgres:17"
_LIVEKIT = "livekit/livekit-server:v1.13.5"


class ContainerServers:
    """Kafka and Postgres for the whole run; `addresses` are the environment variables with their addresses.

    Raises Docker's errors if it is not available or an image cannot be pulled.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        try:
            kafka, port = _kafka()
            self._open.enter_context(kafka)
            postgres = self._open.enter_context(_postgres())
        except BaseException:
            self._open.close()
            raise
        self.addresses = {
            "COHOST_KAFKA_BOOTSTRAP_SERVERS": f"{ports.ADDRESS}:{port}",
            "COHOST_DATABASE_URL": postgres.get_connection_url(host=ports.ADDRESS),
            IN_CONTAINERS: "1",
        }

    def stop(self) -> None:
        """Remove the containers."""
        self._open.close()


@asynccontextmanager
async def run_livekit_container(webhook: str) -> AsyncIterator["LiveKitContainer"]:
    """Run a LiveKit that sends its webhooks to this URL."""
    place = ComponentContext(Path(), settings.load_settings(), settings.generate_secrets(), webhook)
    part = LiveKit(place, ports.reserve_ports((), 4))
    contained = LiveKitContainer(part)
    ports.unbind_udp(part.ports[2])
    try:
        await asyncio.to_thread(contained.container.start)
        yield contained
    finally:
        await asyncio.to_thread(contained.container.stop)
        ports.release_ports(*part.ports)


class LiveKitContainer:
    """A LiveKit in a container on the host's network: it announces its media ports to clients unmapped."""

    def __init__(self, part: LiveKit) -> None:
        self._component = part
        self.container = (
            DockerContainer(_LIVEKIT)
            .with_kwargs(network_mode="host")
            .with_env("LIVEKIT_CONFIG", json.dumps(part.server_config()))
            .waiting_for(LogMessageWaitStrategy("starting LiveKit server"))
        )

    @property
    def livekit_url(self) -> str:
        """Return the URL for clients."""
        return self._component.address

    @property
    def livekit_api_key(self) -> str:
        """Return the API key."""
        return self._component.context.secrets.livekit_key

    @property
    def livekit_api_secret(self) -> str:
        """Return the secret of the API key."""
        return self._component.context.secrets.livekit_secret


def _kafka() -> tuple[DockerContainer, int]:
    """Return a broker with two listeners: to end transactions it needs one valid inside the container."""
    port = ports.reserve_port()
    container = (
        DockerContainer(_KAFKA)
        .with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS="HOST://:9092,INSIDE://:19092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"HOST://{ports.ADDRESS}:{port},INSIDE://localhost:19092",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="HOST:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_INTER_BROKER_LISTENER_NAME="INSIDE",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="500",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        )
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    _publish(container, 9092, port)
    return container, port


def _postgres() -> PostgresContainer:
    container = PostgresContainer(_POSTGRES, driver=None).with_command("-c max_connections=200")
    _publish(container, 5432, ports.reserve_port())
    return container


def _publish(container: DockerContainer, inside: int, port: int) -> None:
    """Publish a port on the loopback address only, which testcontainers has no method for."""
    container.ports[str(inside)] = (ports.ADDRESS, port)
