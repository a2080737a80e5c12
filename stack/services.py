"""Processes of the two services and of the gateway, and their environment variables."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from stack import ports
from stack.processes import process
from stack.settings import StackSecrets

REPOSITORY = Path(__file__).resolve().parents[1]
SERVICE_PORTS = {"invitations": (8081,), "broadcast": (8082,)}
GATEWAY = "gateway"
PROCESS_PORTS = {**SERVICE_PORTS, GATEWAY: (8080,)}
TOPIC_PREFIX = "cohost."
DEFAULT_VARIABLES = {
    "COHOST_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    "COHOST_PARTITIONS": "12",
    "COHOST_REPLICATION_FACTOR": "1",
    "COHOST_CREATE_TOPICS": "true",
    "COHOST_UNKNOWN_USERS": "reject",
    "COHOST_MAX_PENDING": "100",
    "COHOST_RECONNECT_GRACE_SECONDS": "60",
    "COHOST_NO_SHOW_SECONDS": "0",
}


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A process of a service or of the gateway; `ports` is the one of its HTTP."""

    name: str
    ports: tuple[int, ...]
    environment: Mapping[str, str]
    log: Path

    @property
    def address(self) -> str:
        """The URL of its HTTP."""
        return f"http://{self.metrics_address}"

    @property
    def metrics_address(self) -> str:
        """Host and port of its Prometheus metrics, which are those of its HTTP."""
        return f"{ports.ADDRESS}:{self.ports[0]}"

    async def prepare_program(self) -> process.Program:
        """Return the program to run."""
        return process.Program(
            name=self.name,
            command=(sys.executable, "-m", f"services.{self.name}"),
            folder=REPOSITORY,
            log=self.log,
            environment={**self.environment, "COHOST_HTTP_PORT": str(self.ports[0])},
            stop_timeout=15,
        )

    async def is_ready(self) -> bool:
        """Return whether it is ready."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                answer = await client.get(f"{self.address}/readyz")
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


@dataclass(frozen=True, slots=True)
class RunningServices:
    """Addresses and secrets of both services, and the environment variables that they were started with.

    `gateway_url` is empty unless a gateway was started with them.
    """

    invitations_url: str
    broadcast_url: str
    jwt_secret: str
    prefix: str
    environment: Mapping[str, str]
    gateway_url: str = ""


def service_variables(
    kafka: str, database_url: str, livekit: str, secrets: StackSecrets, prefix: str = TOPIC_PREFIX
) -> dict[str, str]:
    """Return the environment variables that both services share on a stack."""
    return {
        "COHOST_ENVIRONMENT": "development",
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "COHOST_DATABASE_URL": database_url,
        "COHOST_TOPIC_PREFIX": prefix,
        **DEFAULT_VARIABLES,
        "COHOST_LIVEKIT_URL": livekit,
        "COHOST_LIVEKIT_API_KEY": secrets.livekit_key,
        "COHOST_LIVEKIT_API_SECRET": secrets.livekit_secret,
        "COHOST_JWT_SECRET": secrets.jwt_secret,
        "COHOST_HTTP_HOST": ports.ADDRESS,
    }


def url_variables(invitations: str, broadcast: str) -> dict[str, str]:
    """Return the variables that say where the services are, as the gateway and other callers read them."""
    return {"COHOST_INVITATIONS_URL": invitations, "COHOST_BROADCAST_URL": broadcast}


def webhook_url(port: int) -> str:
    """Return the URL at which broadcast receives LiveKit's webhooks."""
    return f"http://{ports.ADDRESS}:{port}/livekit/webhook"


def unbuilt_pages(web: Path = REPOSITORY / "web") -> list[str]:
    """Return the names of the pages for browsers that the gateway lacks, because nothing has built them."""
    pages = sorted(page.parent for page in web.glob("*/index.html"))
    return [folder.name for folder in pages if not (folder / "dist" / "index.html").exists()]
