"""Two copies of each service and the exporter as processes, watched as Prometheus does."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from stack import Stack, ports
from tests.ops.business_samples import COUNTED, GAUGES, Samples, add_samples, parse_samples, recount_log
from tests.ops.service_failpoints import FAILPOINTS_FOLDER

PARTITIONS = 3
SECONDS = 120
EXPORTER = "exporter"
_MODULES = {name: f"services.{name}.app" for name in ("invitations", "broadcast")}


@dataclass
class WatchedProcess:
    """A process, and its numbers when it was last asked."""

    name: str
    environment: Mapping[str, str]
    points: Path
    port: int = field(default_factory=ports.reserve_port)
    samples: Samples = field(default_factory=dict)

    def __post_init__(self) -> None:
        command = (
            ["ops.exporter"]
            if self.name == EXPORTER
            else ["tests.ops.service_failpoints", _MODULES[self.name]]
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**self.environment, "COHOST_HTTP_PORT": str(self.port), FAILPOINTS_FOLDER: str(self.points)},
        )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def arm(self, point: str, action: str = "SIGKILL") -> None:
        """Make the process send itself a signal at a failpoint."""
        (self.points / point).write_text(action)

    async def wait_ready(self) -> None:
        while not await self._is_ready():
            assert self.is_running, f"{self.name} ended"
            await asyncio.sleep(0.05)

    async def wait_killed(self) -> None:
        assert await asyncio.to_thread(self.process.wait, SECONDS) == -signal.SIGKILL

    async def wait_reached(self, point: str) -> None:
        """Wait until the process has reached an armed failpoint."""
        while (self.points / point).exists():
            await asyncio.sleep(0.02)

    async def scrape(self) -> Samples:
        """Ask the process for its numbers and remember them."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{ports.ADDRESS}:{self.port}/metrics", timeout=SECONDS)
        self.samples = parse_samples(answer.text)
        return self.samples

    async def _is_ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            with contextlib.suppress(httpx.HTTPError):
                return (await client.get(f"http://{ports.ADDRESS}:{self.port}/readyz")).status_code == 200
        return False


@dataclass
class ObservedFleet:
    """The processes, the killed ones too."""

    kafka: str
    prefix: str
    environment: Mapping[str, str]
    folder: Path
    processes: list[WatchedProcess] = field(default_factory=list)

    async def start(self, *names: str) -> list[WatchedProcess]:
        """Start processes and wait until they are ready."""
        started = []
        for name in names:
            points = self.folder / secrets.token_hex(4)
            points.mkdir()
            started.append(WatchedProcess(name, self.environment, points))
        self.processes += started
        await asyncio.gather(*(each.wait_ready() for each in started))
        return started

    def any_copy(self, name: str) -> WatchedProcess:
        """Return a running process of this name."""
        return next(each for each in self.processes if each.name == name and each.is_running)

    async def services(self) -> Samples:
        """Return the sum over the copies of both services, as Prometheus has it: the dead ones included."""
        copies = [each for each in self.processes if each.name != EXPORTER]
        running = [each for each in copies if each.is_running]
        now = await asyncio.gather(*(each.scrape() for each in running))
        return add_samples((each.samples for each in copies), COUNTED) | add_samples(now, GAUGES)

    async def exporter(self) -> Samples:
        """Return what the running exporter serves."""
        return await self.any_copy(EXPORTER).scrape()

    async def recount(self) -> Samples:
        """Return what the log says."""
        return await recount_log(self.kafka, self.prefix, PARTITIONS)

    def stop(self) -> None:
        """End every process, stopped ones too."""
        for each in self.processes:
            if each.is_running:
                each.process.kill()
            each.process.wait()
            ports.release_ports(each.port)


@contextlib.asynccontextmanager
async def run_fleet(stack: Stack, livekit_url: str, folder: Path) -> AsyncIterator[ObservedFleet]:
    """Run two copies of each service and the exporter."""
    name = f"ops_{secrets.token_hex(6)}"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("COHOST_")},
        "COHOST_ENVIRONMENT": "development",
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "COHOST_DATABASE_URL": await stack.create_service_database(name),
        "COHOST_TOPIC_PREFIX": f"{name}.",
        "COHOST_PARTITIONS": str(PARTITIONS),
        "COHOST_SESSION_TIMEOUT_MS": "1500",
        "COHOST_UNKNOWN_USERS": "accept",
        "COHOST_JWT_SECRET": "a secret of the tests, and of nobody else",
        "COHOST_LIVEKIT_URL": livekit_url,
        "COHOST_LIVEKIT_API_KEY": "devkey",
        "COHOST_LIVEKIT_API_SECRET": "a secret which guards nothing now",
        "COHOST_COMPARISON_SECONDS": "3600",
        # Some guests are to be in their grace when the numbers are compared, however busy the machine is.
        "COHOST_RECONNECT_GRACE_SECONDS": "600",
        "COHOST_LOG_LEVEL": "error",
    }
    fleet = ObservedFleet(stack.kafka_bootstrap_servers, f"{name}.", environment, folder)
    try:
        async with asyncio.timeout(SECONDS):
            await fleet.start(*("invitations", "broadcast") * 2, EXPORTER)
        yield fleet
    finally:
        fleet.stop()
