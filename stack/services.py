"""The two services as child processes on free ports."""

import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from stack import ports, process
from stack.keys import Keys

if TYPE_CHECKING:
    from stack.local import Stack

REPOSITORY = Path(__file__).resolve().parents[1]
PORTS = {"invitations": 8081, "broadcast": 8082}
PREFIX = "cohost."
DEFAULTS = {
    "COHOST_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    "COHOST_PARTITIONS": "12",
    "COHOST_REPLICATION_FACTOR": "1",
    "COHOST_CREATE_TOPICS": "true",
    "COHOST_UNKNOWN_USERS": "reject",
    "COHOST_MAX_PENDING": "100",
    "COHOST_RECONNECT_GRACE_SECONDS": "60",
    "COHOST_NO_SHOW_SECONDS": "0",
}


@dataclass(slots=True)
class Copy:
    """One process of a service; it can be killed and started anew on its port."""

    name: str
    port: int
    environment: Mapping[str, str]
    log: Path
    remove: tuple[Path, ...] = ()
    within: Path | None = None
    running: process.Process | None = None

    @property
    def url(self) -> str:
        """Where its HTTP is."""
        return url(self.port)

    @property
    def child(self) -> process.Process:
        """The process, which may have ended."""
        if self.running is None:
            raise LookupError(self.name)
        return self.running

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that it takes."""
        return (self.port,)

    def program(self) -> process.Program:
        """Return what to run."""
        return process.Program(
            name=self.name,
            command=(sys.executable, "-m", f"services.{self.name}"),
            folder=REPOSITORY,
            log=self.log,
            environment={**self.environment, "COHOST_HTTP_PORT": str(self.port)},
            patience=15,
            remove=self.remove,
            within=self.within,
        )

    async def answers(self) -> bool:
        """Ask whether it is ready."""
        return await ready(self.url)

    async def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready unless told otherwise."""
        self.running = await process.start(self.program())
        if wait:
            await self.running.answers(self.answers)

    async def stop(self) -> None:
        """End it in good order."""
        if self.running is not None:
            await self.running.stop()

    async def restart(self) -> None:
        """End it if it still runs, and start it anew."""
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """Kill it as with SIGKILL."""
        self.child.kill()

    def pause(self) -> None:
        """Stop it as with SIGSTOP."""
        self.child.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.child.resume()


@dataclass(frozen=True, slots=True)
class Running:
    """Both services; `environment` is what they were started with, their ports aside."""

    invitations: tuple[Copy, ...]
    broadcast: tuple[Copy, ...]
    environment: Mapping[str, str]

    @property
    def invitations_url(self) -> str:
        """The HTTP of the first copy of invitations."""
        return self.invitations[0].url

    @property
    def broadcast_url(self) -> str:
        """The HTTP of the first copy of broadcast."""
        return self.broadcast[0].url

    @property
    def jwt_secret(self) -> str:
        """What signs the callers' tokens."""
        return self.environment["COHOST_JWT_SECRET"]

    @property
    def database_url(self) -> str:
        """The services' database."""
        return self.environment["COHOST_DATABASE_URL"]

    @property
    def prefix(self) -> str:
        """What every topic's name starts with."""
        return self.environment["COHOST_TOPIC_PREFIX"]


def variables(
    kafka: str, database_url: str, livekit: str, keys: Keys, prefix: str = PREFIX
) -> dict[str, str]:
    """Return every variable that the two services share, as it is on this stack."""
    return {
        "COHOST_ENVIRONMENT": "development",
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "COHOST_DATABASE_URL": database_url,
        "COHOST_TOPIC_PREFIX": prefix,
        **DEFAULTS,
        "COHOST_LIVEKIT_URL": livekit,
        "COHOST_LIVEKIT_API_KEY": keys.livekit_key,
        "COHOST_LIVEKIT_API_SECRET": keys.livekit_secret,
        "COHOST_JWT_SECRET": keys.jwt_secret,
        "COHOST_HTTP_HOST": ports.ADDRESS,
    }


async def ready(url: str) -> bool:
    """Tell whether a service says that it is ready."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            answer = await client.get(f"{url}/readyz")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def url(port: int) -> str:
    """Return where a service's HTTP is."""
    return f"http://{ports.ADDRESS}:{port}"


def webhook(port: int) -> str:
    """Return where broadcast takes LiveKit's reports."""
    return f"{url(port)}/livekit/webhook"


@asynccontextmanager
async def run(
    stack: "Stack",
    prefix: str,
    database_url: str | None,
    extra: Mapping[str, str],
    counts: Mapping[str, int],
) -> AsyncIterator[Running]:
    """Run copies of both services on the stack until the block ends."""
    if counts["broadcast"]:
        await stack.start("livekit")
    database_url = database_url or await stack.create_database(f"services_{secrets.token_hex(6)}")
    keys = Keys(stack.jwt_secret, stack.livekit_api_key, stack.livekit_api_secret)
    shared = variables(stack.kafka_bootstrap_servers, database_url, stack.livekit_url, keys, prefix)
    environment = {**shared, **extra}
    copies = [
        _copy(stack, name, number, environment) for name, count in counts.items() for number in range(count)
    ]
    broadcast = tuple(copy for copy in copies if copy.name == "broadcast")
    if broadcast and stack.runs("livekit"):
        await stack.restart("livekit", [webhook(copy.port) for copy in broadcast])
    async with AsyncExitStack() as ending:
        for copy in copies:
            ending.callback(ports.give_back, copy.port)
            ending.push_async_callback(copy.stop)
        await process.together(*(copy.start() for copy in copies))
        invitations = tuple(copy for copy in copies if copy.name == "invitations")
        yield Running(invitations, broadcast, environment)


def _copy(stack: "Stack", name: str, number: int, environment: Mapping[str, str]) -> Copy:
    port = ports.choose()
    folder = stack.root / "services"
    log = folder / f"{name}-{number}-{port}.log"
    remove, within = ((), None) if stack.kept else ((folder,), stack.root)
    return Copy(name, port, {**stack.inherited, **environment}, log, remove, within)
