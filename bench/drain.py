"""Measurement of one worker that drains prefilled command topics."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import outcomes, producing, traffic, worker
from bench.cpu import Usage
from bench.measured import Measured
from bench.place import Run
from bench.room import Command
from bench.worker import Worker
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS

_LOOK_SECONDS = 0.025
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Moment:
    """Progress at one moment: decided commands or published offsets, and the CPU usage so far."""

    at: float
    count: int
    usage: Usage


async def fill(run: Run, count: int, rooms: int, seed: int) -> list[Command]:
    """Write generated traffic to the topics and return its commands."""
    made = traffic.make(rooms, seed)
    short = made.short()
    commands = [*short, *islice(made.turns(), count - 2 * len(short))]
    async with producing.Producer(run.kafka, run.prefix, linger_ms=5) as producer:
        await producer.facts(made)
        await producer.commands(commands)
        await asyncio.sleep(traffic.EXPIRY_SECONDS)
        ends = made.ends(short)
        await producer.commands(ends)
    return [*commands, *ends]


async def measure(run: Run, commands: Sequence[Command], profile: Path | None = None) -> Measured:
    """Start a worker on filled topics and measure it from its first progress to its last published event."""
    async with worker.started(run, profile) as process, outcomes.consumer(run) as reader:
        connection = await run.connect()
        try:
            watch = _Watch(process, connection, reader, run)
            async with asyncio.timeout(_LONGEST_SECONDS):
                first = await watch.first()
                last = await watch.last(commands)
        finally:
            await connection.close()
    seconds = last.at - first.at
    return Measured(
        len(commands) - first.count, seconds, last.usage.minus(first.usage).minus(run.idle.times(seconds))
    )


class _Watch:
    """Polls a worker's progress from outside, as cheaply as possible."""

    def __init__(
        self, process: Worker, connection: asyncpg.Connection, reader: AIOKafkaConsumer, run: Run
    ) -> None:
        self._process = process
        self._connection = connection
        self._reader = reader
        self._run = run
        self._places = outcomes.places(run)
        self._meter = run.meter._replace(worker=process.running.pid)

    async def first(self) -> Moment:
        """Wait until the first commands are decided."""
        while not (standing := await worker.standing(self._connection)).decided:
            await self._pause()
        return Moment(time.monotonic(), standing.decided, self._meter.read())

    async def last(self, commands: Sequence[Command]) -> Moment:
        """Wait until all events are published and return the sample taken at the last one."""
        ends = Counter(partition_of(command.room_id, DEFAULT_PARTITIONS) for command in commands)
        while not (await worker.standing(self._connection)).past(ends):
            await self._pause()
        # A lane records a publication with its next commit, so only Kafka's end offsets give its exact time.
        last = await self._published()
        while not (await worker.standing(self._connection)).published:
            await self._pause()
            now = await self._published()
            last = now if now.count > last.count else last
        return last

    async def _published(self) -> Moment:
        ends = await self._reader.end_offsets(self._places)
        return Moment(time.monotonic(), sum(ends.values()), self._meter.read())

    async def _pause(self) -> None:
        self._process.check()
        await asyncio.sleep(_LOOK_SECONDS)
