"""Environment of the measurements: a temporary stack, and new topics and a new database for each run."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg

from bench import cpu
from bench.cpu import CpuMeter, CpuUsage
from bench.results import UsageWindow
from messaging import cluster
from messaging.config import Config
from stack import Stack


@dataclass(frozen=True)
class BenchRun:
    """New topics and a new database for one service; `idle` is the idle components' CPU usage per second."""

    stack: Stack
    service: str
    prefix: str
    database_url: str
    meter: CpuMeter
    idle: CpuUsage

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's bootstrap servers."""
        return self.stack.kafka_bootstrap_servers

    def pipeline_config(self) -> Config:
        """Return the configuration of the service's pipeline."""
        return Config(self.bootstrap_servers, self.database_url, self.service, prefix=self.prefix)

    def start_measuring(self, *workers: int) -> UsageWindow:
        """Start measuring the time, and the CPU usage of these processes together, Postgres and Kafka."""
        return UsageWindow(self.meter, self.idle, workers)

    async def connect_database(self) -> asyncpg.Connection:
        """Connect to the database, with the service's schema as search path."""
        return await asyncpg.connect(self.database_url, server_settings={"search_path": self.service})


@dataclass
class BenchEnvironment:
    """A running stack; `load_average` is that of the machine before it was started."""

    stack: Stack
    meter: CpuMeter
    idle: CpuUsage
    load_average: float
    runs: int = 0

    async def create_run(self, name: str, service: str = "invitations") -> BenchRun:
        """Create the topics and an empty database for a run of `service`."""
        self.runs += 1
        label = f"{name}{self.runs}"
        url = await self.stack.create_database(label)
        run = BenchRun(self.stack, service, f"{label}.", url, self.meter, self.idle)
        await cluster.ensure_topics(run.pipeline_config())
        return run

    async def configure_postgres(self, settings: Mapping[str, str]) -> None:
        """Restart Postgres with these settings."""
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            for name, value in settings.items():
                await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        finally:
            await connection.close()
        await self.stack.restart("postgres")
        self.meter = self.meter._replace(postgres=self.stack.process_of("postgres").pid)


@contextlib.asynccontextmanager
async def open_environment() -> AsyncIterator[BenchEnvironment]:
    """Run Kafka and Postgres for the duration of the block and measure their idle CPU usage first."""
    load_average = os.getloadavg()[0]
    async with Stack(components=("kafka", "postgres"), isolated=True) as up:
        meter = CpuMeter(postgres=up.process_of("postgres").pid, kafka=up.process_of("kafka").pid)
        yield BenchEnvironment(up, meter, await cpu.measure_idle(meter), load_average)
