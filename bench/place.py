"""Environment of the measurements: a temporary stack, and new topics and a new database for each run."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from bench import cpu
from bench.cpu import Meter, Usage
from messaging import cluster
from messaging.config import Config
from stack import Stack


@dataclass(frozen=True)
class Run:
    """New topics and a new database for one service; `idle` is the idle components' CPU usage per second."""

    up: Stack
    service: str
    prefix: str
    database_url: str
    meter: Meter
    idle: Usage

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap servers."""
        return self.up.kafka_bootstrap_servers

    def config(self) -> Config:
        """Return the configuration of the service's pipeline."""
        return Config(self.kafka, self.database_url, self.service, prefix=self.prefix)

    async def connect(self) -> asyncpg.Connection:
        """Connect to the database, with the service's schema as search path."""
        return await asyncpg.connect(self.database_url, server_settings={"search_path": self.service})


@dataclass
class Place:
    """A running stack."""

    up: Stack
    meter: Meter
    idle: Usage
    runs: int = 0

    async def run(self, name: str, service: str = "invitations") -> Run:
        """Create the topics and an empty database for a run of `service`."""
        self.runs += 1
        label = f"{name}{self.runs}"
        url = await self.up.create_database(label)
        run = Run(self.up, service, f"{label}.", url, self.meter, self.idle)
        await cluster.ensure_topics(run.config())
        return run


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Place]:
    """Run Kafka and Postgres for the duration of the block and measure their idle CPU usage first."""
    async with Stack(parts=("kafka", "postgres"), alone=True) as up:
        meter = Meter(postgres=up.process_of("postgres").pid, kafka=up.process_of("kafka").pid)
        yield Place(up, meter, await cpu.at_rest(meter))
