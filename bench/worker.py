"""Worker process of a service, and its progress."""

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.environment import BenchRun
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from stack import ports, services
from stack.processes import process
from stack.processes.process import Process

_LOOK_SECONDS = 0.025


class WorkerExited(Exception):
    """A worker process exited unexpectedly; the text contains the end of its log."""


@dataclass(frozen=True)
class WorkerProcess:
    """A process of `python -m services.<name>`."""

    process: Process
    service: services.ServiceProcess

    def check_alive(self) -> None:
        """Raise `WorkerExited` if the process has exited."""
        if not self.process.is_alive:
            msg = f"the worker exited; the end of its log:\n{self.process.log_tail()}"
            raise WorkerExited(msg)

    async def wait_ready(self) -> None:
        """Wait until it reads every lane assigned to it."""
        await self.process.wait_until_ready(self.service.is_ready)


async def start_worker(
    run: BenchRun, profile: Path | None = None, *, launcher: Sequence[str] = (), **more: str
) -> WorkerProcess:
    """Start a worker; `more` are further environment variables, `profile` is the output file for cProfile.

    `launcher` are options of Python that run the module behind them, as cProfile's do.
    """
    environment = {**run.stack.inherited, **_worker_variables(run), **more}
    copy = services.ServiceProcess(
        run.service, (ports.reserve_port(),), environment, run.stack.root / f"{run.prefix}{run.service}.log"
    )
    program = await copy.prepare_program()
    if profile is not None:
        launcher = ("-m", "cProfile", "-o", str(profile))
    if launcher:
        program = dataclasses.replace(program, command=(sys.executable, *launcher, *program.command[1:]))
    return WorkerProcess(process.start_program(program), copy)


@contextlib.asynccontextmanager
async def run_worker(
    run: BenchRun, profile: Path | None = None, *, launcher: Sequence[str] = (), **more: str
) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the duration of the block."""
    worker = await start_worker(run, profile, launcher=launcher, **more)
    try:
        yield worker
    finally:
        await worker.process.stop()


@dataclass(frozen=True)
class WorkerProgress:
    """Position of every lane in a topic, and whether everything decided is acknowledged as published."""

    positions: Mapping[int, int]
    all_published: bool

    @property
    def decided_count(self) -> int:
        """The number of decided records, in all lanes together."""
        return sum(self.positions.values())

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        """Return whether every lane has reached its end."""
        return all(self.positions.get(lane, 0) >= end for lane, end in ends.items())


async def read_progress(
    connection: asyncpg.Connection, topic: Topic = topics.INVITATION_COMMANDS
) -> WorkerProgress:
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
    return WorkerProgress(
        {row["lane"]: row["position"] for row in rows}, all(row["published"] for row in rows)
    )


async def wait_published(
    run: BenchRun, ends: Mapping[int, int], seconds: float, watched: WorkerProcess | None = None
) -> None:
    """Wait until the commands before each lane's end are decided, and everything decided is published.

    Raises `TimeoutError`, and `WorkerExited` if a watched worker exits.
    """
    connection = await run.connect_database()
    try:
        async with asyncio.timeout(seconds):
            while True:
                standing = await read_progress(connection)
                if standing.has_reached(ends) and standing.all_published:
                    return
                if watched is not None:
                    watched.check_alive()
                await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close()


def _worker_variables(run: BenchRun) -> dict[str, str]:
    return {
        "COHOST_KAFKA_BOOTSTRAP_SERVERS": run.bootstrap_servers,
        "COHOST_DATABASE_URL": run.database_url,
        "COHOST_TOPIC_PREFIX": run.prefix,
        "COHOST_JWT_SECRET": run.stack.jwt_secret,
        "COHOST_ENVIRONMENT": "development",
        "COHOST_LOG_LEVEL": "warning",
        "COHOST_LIVEKIT_API_KEY": run.stack.livekit_api_key,
        "COHOST_LIVEKIT_API_SECRET": run.stack.livekit_api_secret,
    }
