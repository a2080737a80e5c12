"""Worker process of a service, and its progress."""

import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.place import Run
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from stack import ports, process, services
from stack.process import Process


class Failed(Exception):
    """A worker process exited unexpectedly; the text contains the end of its log."""


@dataclass(frozen=True)
class Worker:
    """A process of `python -m services.<name>`."""

    running: Process
    copy: services.Copy

    def check(self) -> None:
        """Raise `WorkerExited` if the process has exited."""
        if not self.running.alive:
            msg = f"the worker exited; the end of its log:\n{self.running.log()}"
            raise Failed(msg)

    async def ready(self) -> None:
        """Wait until it reads every lane assigned to it."""
        await self.running.answers(self.copy.answers)


async def start(run: Run, profile: Path | None = None, **more: str) -> Worker:
    """Start a worker; `more` are further environment variables, `profile` is the output file for cProfile."""
    environment = {**run.up.inherited, **_settings(run), **more}
    copy = services.Copy(run.service, (ports.choose(),), environment, run.up.root / f"{run.prefix}worker.log")
    program = await copy.program()
    if profile is not None:
        command = (sys.executable, "-m", "cProfile", "-o", str(profile), *program.command[1:])
        program = dataclasses.replace(program, command=command)
    return Worker(process.start(program), copy)


@contextlib.asynccontextmanager
async def started(run: Run, profile: Path | None = None, **more: str) -> AsyncIterator[Worker]:
    """Run a worker for the duration of the block."""
    worker = await start(run, profile, **more)
    try:
        yield worker
    finally:
        await worker.running.stop()


@dataclass(frozen=True)
class Standing:
    """Position of every lane in a topic, and whether everything decided is acknowledged as published."""

    positions: Mapping[int, int]
    published: bool

    @property
    def decided(self) -> int:
        """The number of decided records, in all lanes together."""
        return sum(self.positions.values())

    def past(self, ends: Mapping[int, int]) -> bool:
        """Return whether every lane has reached its end."""
        return all(self.positions.get(lane, 0) >= end for lane, end in ends.items())


async def standing(connection: asyncpg.Connection, topic: Topic = topics.INVITATION_COMMANDS) -> Standing:
    """Return the progress of a run's workers in a topic; it is empty until the tables exist."""
    try:
        rows = await connection.fetch(
            "SELECT lane, coalesce((positions ->> $1)::bigint, 0) AS position,"
            " decided_sequences = published_sequences AS published"
            " FROM lanes",
            topic.suffix,
        )
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        rows = []
    return Standing({row["lane"]: row["position"] for row in rows}, all(row["published"] for row in rows))


def _settings(run: Run) -> dict[str, str]:
    return {
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": run.kafka,
        "COHOST_DATABASE_URL": run.database_url,
        "COHOST_TOPIC_PREFIX": run.prefix,
        "COHOST_JWT_SECRET": run.up.jwt_secret,
        "COHOST_ENVIRONMENT": "development",
        "COHOST_LOG_LEVEL": "warning",
        "COHOST_LIVEKIT_API_KEY": run.up.livekit_api_key,
        "COHOST_LIVEKIT_API_SECRET": run.up.livekit_api_secret,
    }
