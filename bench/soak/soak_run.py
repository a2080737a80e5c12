"""A soak: both services under steady load, with a snapshot held open for a third of the time."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import outcomes, worker
from bench.environment import BenchRun
from bench.fake_livekit import process
from bench.measurements import latency
from bench.results import UsageWindow
from bench.soak import sampling
from bench.soak.load import SteadyLoad
from bench.soak.minutes import SoakMinute
from bench.worker import WorkerProcess
from bench.workload import open_loop, traffic, traffic_producer

ROOMS = 500
RATE = 200

_MINUTE = 60
_WARM_UP_SECONDS = 30


async def measure_soak(
    run: BenchRun, minutes: int, seed: int, report: Callable[[int, SoakMinute], None]
) -> list[SoakMinute]:
    """Load both services and return what was measured in each minute; `report` gets each as it ends."""
    made = traffic.generate_traffic(ROOMS, seed)
    measured: list[SoakMinute] = []

    async def measure_minutes(count: int, *, has_snapshot: bool) -> None:
        for _ in range(count):
            await soak.wait(_MINUTE)
            measured.append(await meter.take_minute(has_snapshot=has_snapshot))
            report(len(measured), measured[-1])

    async with _open_soak(run, made, seed) as soak:
        await soak.wait(_WARM_UP_SECONDS)
        soak.load.take_latencies()
        meter = _MinuteMeter(soak)
        third = minutes // 3
        await measure_minutes(third, has_snapshot=False)
        async with _hold_snapshot(run):
            await measure_minutes(third, has_snapshot=True)
        await measure_minutes(minutes - 2 * third, has_snapshot=False)
    return measured


@dataclass
class _Soak:
    """The running services, their load, and what reads them."""

    run: BenchRun
    workers: dict[str, WorkerProcess]
    load: SteadyLoad
    sending: asyncio.Task[None]
    connection: asyncpg.Connection
    reader: AIOKafkaConsumer

    async def wait(self, seconds: float) -> None:
        """Wait; raise the error of a sender or worker that ended."""
        await asyncio.wait([self.sending], timeout=seconds)
        if self.sending.done():
            self.sending.result()
        for each in self.workers.values():
            each.check_alive()

    def start_measuring(self) -> UsageWindow:
        """Start measuring the services together, Postgres and Kafka."""
        return self.run.start_measuring(*(each.process.pid for each in self.workers.values()))


class _MinuteMeter:
    """Makes a minute of what was read at its begin and its end."""

    def __init__(self, soak: _Soak) -> None:
        self._soak = soak
        self._measuring = soak.start_measuring()

    async def take_minute(self, *, has_snapshot: bool) -> SoakMinute:
        """Return what happened since the last call."""
        soak = self._soak
        found = latency.summarize_latency(soak.load.take_latencies())
        measured, self._measuring = self._measuring.finish(found.commands), soak.start_measuring()
        return SoakMinute(
            commands=found.commands,
            p50=found.p50,
            p99=found.p99,
            memory={name: sampling.read_memory(each.process.pid) for name, each in soak.workers.items()},
            lag=await sampling.read_lag(soak.run, soak.connection, soak.reader),
            cpu=measured.cpu_microseconds,
            tables=await sampling.read_tables(soak.connection),
            has_snapshot=has_snapshot,
        )


@contextlib.asynccontextmanager
async def _open_soak(run: BenchRun, made: traffic.Traffic, seed: int) -> AsyncIterator[_Soak]:
    """Run both services on one database, with a fake LiveKit, and load them for the duration of the block."""
    broadcast = dataclasses.replace(run, service="broadcast")
    room_ids = [room.room_id for room in made.rooms]
    async with contextlib.AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(process.run_fake_livekit(room_ids, seed))
        producer = await stack.enter_async_context(
            traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix)
        )
        workers = {
            "invitations": await stack.enter_async_context(worker.run_worker(run)),
            "broadcast": await stack.enter_async_context(
                worker.run_worker(broadcast, COHOST_LIVEKIT_URL=livekit.url)
            ),
        }
        await producer.send_facts(made)
        for each in workers.values():
            await each.wait_ready()
        load = SteadyLoad(await stack.enter_async_context(open_loop.OutcomeTimes.record(run)))
        sending = await stack.enter_async_context(_run_task(load.send_commands(producer, made, RATE)))
        connection = await run.connect_database()
        stack.push_async_callback(connection.close)
        reader = await stack.enter_async_context(outcomes.open_consumer(run))
        yield _Soak(run, workers, load, sending, connection, reader)


@contextlib.asynccontextmanager
async def _run_task(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run a task for the duration of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _hold_snapshot(run: BenchRun) -> AsyncIterator[None]:
    """Keep a snapshot of the database open for the duration of the block, as a long dump or report does."""
    connection = await run.connect_database()
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT count(*) FROM lanes")
            yield
    finally:
        await connection.close()
