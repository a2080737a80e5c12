"""Where a measurement runs: a stack of its own, and for each run new topics and a new database."""

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
    """New topics and a new database for a service; `idle` is what the parts take in a second at rest."""

    up: Stack
    service: str
    prefix: str
    database_url: str
    meter: Meter
    idle: Usage

    @property
    def kafka(self) -> str:
        """Where Kafka is."""
        return self.up.kafka_bootstrap_servers

    def config(self) -> Config:
        """Return what the service's pipeline is told."""
        return Config(self.kafka, self.database_url, self.service, prefix=self.prefix)

    async def connect(self) -> asyncpg.Connection:
        """Connect to the database, to find the service's tables by their bare names."""
        return await asyncpg.connect(self.database_url, server_settings={"search_path": self.service})


@dataclass
class Place:
    """A running stack."""

    up: Stack
    meter: Meter
    idle: Usage
    runs: int = 0

    async def run(self, name: str, service: str = "invitations") -> Run:
        """Return the place of a run: its topics are there and its database is empty."""
        self.runs += 1
        label = f"{name}{self.runs}"
        url = await self.up.create_database(label)
        run = Run(self.up, service, f"{label}.", url, self.meter, self.idle)
        await cluster.ensure_topics(run.config())
        return run


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Place]:
    """Start Kafka and Postgres, look at them at rest, and stop them at the end."""
    async with Stack(parts=("kafka", "postgres"), alone=True) as up:
        meter = Meter(postgres=up.pid("postgres"), kafka=up.pid("kafka"))
        yield Place(up, meter, await cpu.at_rest(meter))
