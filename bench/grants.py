"""Measurement of one broadcast worker that grants permissions to co-hosts."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench import livekit, load, producing, worker
from bench.cpu import Meter
from bench.livekit import Key, StandIn, State
from bench.measured import Measured
from bench.place import Run
from bench.producing import Producer
from bench.seats import Invitations, Seat, Seats
from bench.worker import Standing, Worker
from cohost_schemas import topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS, Topic

ROOMS = 2_000

_WARM_UP = 0.1
_LOOKS = 2
"""Resyncs of a room after a takeover of its lane."""

_LOOK_SECONDS = 0.025
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Granted:
    """Result of a grants measurement.

    `livekit_cpu` is the fake LiveKit server's CPU time in seconds; `waits` holds the seconds from event to
    answered call, sorted.
    """

    measured: Measured
    livekit: float
    waited: Sequence[float]
    state: State


async def drain(run: Run, made: Seats, seed: int, profile: Path | None = None) -> Granted:
    """Write all seats at once while the worker is paused, then measure how it grants them."""
    async with _Bench.set_up(run, made, seed, profile) as bench:
        bench.worker.running.pause()
        await bench.producer.write(map(bench.invitations.accepted, made.seats))
        measuring = bench.measuring()
        bench.worker.running.resume()
        await bench.decided(made.seats)
        measured, cost = measuring.over(len(made.seats))
        await bench.published()
        return Granted(measured, cost, (), await bench.stand_in.state())


async def steady(run: Run, made: Seats, rate: int, seed: int) -> Granted:
    """Write `rate` new seats per second and measure their grants; the first tenth of the seats is warm-up."""
    warm_up = int(len(made.seats) * _WARM_UP)
    coming = iter(made.seats)
    count = len(made.seats) - warm_up
    async with _Bench.set_up(run, made, seed) as bench:
        await load.send(bench.seat, coming, rate, warm_up)
        measuring = bench.measuring()
        due = await load.send(bench.seat, coming, rate, count)
        await bench.decided(made.seats)
        measured, cost = measuring.over(len(due))
        await bench.published()
        state = await bench.stand_in.state()
    return Granted(measured, cost, _waited(made.seats, due, state), state)


class _Measuring:
    """Time and CPU usage since the object was created."""

    def __init__(self, run: Run, meter: Meter, stand_in: Meter) -> None:
        self._idle = run.idle
        self._meter = meter
        self._stand_in = stand_in
        self._before, self._stand_in_before = meter.read(), stand_in.read()
        self._began = time.monotonic()

    def over(self, count: int) -> tuple[Measured, float]:
        """Return the measurement of `count` grants until now, and the fake server's CPU seconds."""
        seconds = time.monotonic() - self._began
        usage = self._meter.read().minus(self._before).minus(self._idle.times(seconds))
        return Measured(count, seconds, usage), self._stand_in.read().minus(self._stand_in_before).worker


@dataclass
class _Bench:
    """An idle worker with all rooms open, and its environment.

    `signals` holds the position of each lane in the signals topic at that point.
    """

    run: Run
    stand_in: StandIn
    producer: Producer
    connection: asyncpg.Connection
    invitations: Invitations
    worker: Worker
    signals: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def set_up(
        cls, run: Run, made: Seats, seed: int, profile: Path | None = None
    ) -> AsyncIterator["_Bench"]:
        """Open the rooms, then start a worker and wait until it has resynced each, as after a takeover."""
        invitations = Invitations(made)
        async with (
            livekit.started(made.rooms, seed) as stand_in,
            producing.Producer(run.kafka, run.prefix) as producer,
            contextlib.AsyncExitStack() as stack,
        ):
            connection = await run.connect()
            stack.push_async_callback(connection.close)
            await producer.write(made.causes())
            await producer.write(invitations.opened())
            around = run, stand_in, producer, connection, invitations
            async with worker.started(run, COHOST_LIVEKIT_URL=stand_in.url) as first:
                await cls(*around, first).opened(made)
            second = worker.started(run, profile, COHOST_LIVEKIT_URL=stand_in.url)
            bench = cls(*around, await stack.enter_async_context(second))
            await bench.looked(made)
            yield bench

    async def seat(self, seat: Seat) -> asyncio.Future[object]:
        """Send the event of a seat; the returned future is done when Kafka confirms it."""
        return await self.producer.send(*self.invitations.accepted(seat))

    def measuring(self) -> _Measuring:
        """Start measuring time and CPU usage."""
        pid = self.worker.running.pid
        return _Measuring(self.run, self.run.meter._replace(worker=pid), Meter(None, None, self.stand_in.pid))

    async def opened(self, made: Seats) -> None:
        """Wait until the worker has loaded every room."""
        await self._past(topics.INVITATION_EVENTS, Counter(map(_lane, made.rooms)))
        await self.published()

    async def looked(self, made: Seats) -> None:
        """Wait until the resync after a takeover is complete."""

        async def done() -> bool:
            return (await self.stand_in.state()).calls.get("ListParticipants", 0) >= _LOOKS * len(made.rooms)

        await self._until(done)
        await self.published()
        self.signals = (await self._standing(topics.BROADCAST_SIGNALS)).positions

    async def decided(self, given: Sequence[Seat]) -> None:
        """Wait until the worker has decided the call results of all `given` seats."""
        reports = Counter(_lane(seat.room_id) for seat in given)
        await self._past(
            topics.BROADCAST_SIGNALS,
            {lane: count + self.signals.get(lane, 0) for lane, count in reports.items()},
        )
        # Some of the call results may have been failures, which are retried.
        await self._until(self._settled)

    async def published(self) -> None:
        """Wait until everything decided is acknowledged as published."""

        async def done() -> bool:
            return (await self._standing(topics.BROADCAST_SIGNALS)).published

        await self._until(done)

    async def _past(self, topic: Topic, ends: Mapping[int, int]) -> None:
        async def done() -> bool:
            return (await self._standing(topic)).past(ends)

        await self._until(done)

    async def _settled(self) -> bool:
        return not await self.connection.fetchval("SELECT count(*) FROM members WHERE out_of_sync")

    async def _standing(self, topic: Topic) -> Standing:
        return await worker.standing(self.connection, topic)

    async def _until(self, done: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_LONGEST_SECONDS):
            while not await done():
                self.worker.check()
                await asyncio.sleep(_LOOK_SECONDS)


def _lane(room_id: str) -> int:
    return partition_of(room_id, DEFAULT_PARTITIONS)


def _waited(given: Sequence[Seat], due: Mapping[str, float], state: State) -> list[float]:
    """Return the seconds from each seat's due time to LiveKit's first answer, sorted."""
    keys: dict[str, Key] = {seat.id: seat.key for seat in given}
    holders = state.holders
    return sorted(
        holders[keys[id_]].answered[0] - at
        for id_, at in due.items()
        if keys[id_] in holders and holders[keys[id_]].answered
    )
