"""Measurement of one worker that drains prefilled command topics."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import outcomes, worker
from bench.cost.steps import Step
from bench.cpu import CpuUsage
from bench.environment import BenchEnvironment, BenchRun
from bench.results import Measurement
from bench.worker import WorkerProcess
from bench.workload import traffic, traffic_producer
from bench.workload.simulated_room import PlannedCommand
from cohost.kafka.producer import TraceProvider
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS

_WARM_UP = 10_000
_LOOK_SECONDS = 0.025
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class ProgressSample:
    """Progress at one moment: decided commands or published offsets, and the CPU usage so far.

    `steps` are the samples of a sampled worker, by step.
    """

    taken_at: float
    count: int
    usage: CpuUsage
    steps: Counter[Step]


async def warm_up(environment: BenchEnvironment, seed: int) -> None:
    """Drain once, so that no measurement is the first that Kafka and Postgres see."""
    run = await environment.create_run("warm")
    await measure_drain(run, await fill_topics(run, _WARM_UP, seed))


async def fill_topics(
    run: BenchRun, count: int, seed: int, trace: TraceProvider | None = None
) -> list[PlannedCommand]:
    """Write traffic of `traffic.rooms_for(count)` rooms to the topics, and return its commands.

    `trace` returns each command's trace.
    """
    made = traffic.generate_traffic(traffic.rooms_for(count), seed)
    short = made.short_invitations()
    commands = [*short, *islice(made.iterate_commands(), count - 2 * len(short))]
    async with traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix, linger_ms=5) as producer:
        await producer.send_facts(made)
        await producer.send_commands(commands, trace)
        await asyncio.sleep(traffic.EXPIRY_SECONDS)
        ends = made.expire_commands(short)
        await producer.send_commands(ends, trace)
    return [*commands, *ends]


async def measure_drain(
    run: BenchRun, commands: Sequence[PlannedCommand], profile: Path | None = None, **more: str
) -> Measurement:
    """Start a worker on filled topics and measure it from its first progress to its last published event.

    `more` are further environment variables of the worker.
    """
    async with worker.run_worker(run, profile, **more) as process:
        first, last = await watch_drain(run, process, commands)
    return measure_between(run, commands, first, last)


async def watch_drain(
    run: BenchRun,
    process: WorkerProcess,
    commands: Sequence[PlannedCommand],
    read_steps: Callable[[], Counter[Step]] = Counter,
) -> tuple[ProgressSample, ProgressSample]:
    """Return the progress of a worker at its first decisions and at its last published event."""
    async with outcomes.open_consumer(run) as reader:
        connection = await run.connect_database()
        try:
            watch = _ProgressWatch(process, connection, reader, run, read_steps)
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await watch.wait_started(), await watch.wait_published(commands)
        finally:
            await connection.close()


def measure_between(
    run: BenchRun, commands: Sequence[PlannedCommand], first: ProgressSample, last: ProgressSample
) -> Measurement:
    """Return what the worker and its servers did between two samples."""
    seconds = last.taken_at - first.taken_at
    return Measurement(
        len(commands) - first.count,
        seconds,
        last.usage.subtract(first.usage).subtract(run.idle.scale(seconds)),
    )


class _ProgressWatch:
    """Polls a worker's progress from outside, as cheaply as possible."""

    def __init__(
        self,
        process: WorkerProcess,
        connection: asyncpg.Connection,
        reader: AIOKafkaConsumer,
        run: BenchRun,
        read_steps: Callable[[], Counter[Step]],
    ) -> None:
        self._process = process
        self._connection = connection
        self._reader = reader
        self._run = run
        self._partitions = outcomes.topic_partitions(run)
        self._meter = run.meter._replace(worker=process.process.pid)
        self._read_steps = read_steps

    async def wait_started(self) -> ProgressSample:
        """Wait until the first commands are decided."""
        while not (standing := await worker.read_progress(self._connection)).decided_count:
            await self._check_and_sleep()
        return self._take_sample(standing.decided_count)

    async def wait_published(self, commands: Sequence[PlannedCommand]) -> ProgressSample:
        """Wait until all events are published and return the sample taken at the last one."""
        ends = Counter(partition_of(command.room_id, DEFAULT_PARTITIONS) for command in commands)
        while not (await worker.read_progress(self._connection)).has_reached(ends):
            await self._check_and_sleep()
        # A lane records a publication with its next commit, so only Kafka's end offsets give its exact time.
        last = await self._published_sample()
        while not (await worker.read_progress(self._connection)).all_published:
            await self._check_and_sleep()
            now = await self._published_sample()
            last = now if now.count > last.count else last
        return last

    async def _published_sample(self) -> ProgressSample:
        ends = await self._reader.end_offsets(self._partitions)
        return self._take_sample(sum(ends.values()))

    def _take_sample(self, count: int) -> ProgressSample:
        return ProgressSample(time.monotonic(), count, self._meter.read_usage(), self._read_steps())

    async def _check_and_sleep(self) -> None:
        self._process.check_alive()
        await asyncio.sleep(_LOOK_SECONDS)
