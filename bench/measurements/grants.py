"""Measurement of one broadcast worker that grants permissions to co-hosts."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench import worker
from bench.cpu import CpuMeter
from bench.environment import BenchRun
from bench.fake_livekit import process
from bench.fake_livekit.process import FakeLiveKitProcess, FakeLiveKitState, ParticipantKey
from bench.measurements import latency
from bench.measurements.latency import LatencyResult
from bench.results import Measurement, UsageWindow
from bench.worker import WorkerProcess, WorkerProgress
from bench.workload import open_loop, traffic_producer
from bench.workload.seat_plan import InvitationEvents, PlannedSeat, SeatPlan
from bench.workload.traffic_producer import TrafficProducer
from cohost_schemas import topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS, Topic

ROOMS = 2_000

_WARM_UP = 0.1
_RESYNCS = 2
"""Resyncs of a room after a takeover of its lane."""

_LOOK_SECONDS = 0.025
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class GrantsResult:
    """Result of a grants measurement.

    `livekit_cpu` is the fake LiveKit server's CPU time in seconds; `latency` is that from a seat's due time
    to LiveKit's first answer, None for a burst.
    """

    measurement: Measurement
    livekit_cpu: float
    latency: LatencyResult | None
    state: FakeLiveKitState


async def measure_burst(
    run: BenchRun, plan: SeatPlan, seed: int, profile: Path | None = None
) -> GrantsResult:
    """Write all seats at once while the worker is paused, then measure how it grants them."""
    async with _GrantsScenario.prepare(run, plan, seed, profile) as bench:
        bench.worker.process.pause()
        await bench.producer.send_events(map(bench.invitations.invitation_accepted, plan.seats))
        measuring = bench.start_measuring()
        bench.worker.process.resume()
        await bench.wait_decided(plan.seats)
        measured, cost = measuring.finish(len(plan.seats))
        await bench.wait_published()
        return GrantsResult(measured, cost, None, await bench.fake_livekit.read_state())


async def measure_steady(run: BenchRun, plan: SeatPlan, rate: int, seed: int) -> GrantsResult:
    """Write `rate` new seats per second and measure their grants; the first tenth of the seats is warm-up."""
    warm_up = int(len(plan.seats) * _WARM_UP)
    remaining = iter(plan.seats)
    count = len(plan.seats) - warm_up
    async with _GrantsScenario.prepare(run, plan, seed) as bench:
        await open_loop.send_at_rate(bench.send_seat, remaining, rate, warm_up)
        measuring = bench.start_measuring()
        due = await open_loop.send_at_rate(bench.send_seat, remaining, rate, count)
        await bench.wait_decided(plan.seats)
        measured, cost = measuring.finish(len(due))
        await bench.wait_published()
        state = await bench.fake_livekit.read_state()
    return GrantsResult(measured, cost, _latency_of(plan.seats, due, state), state)


class _GrantsWindow:
    """Time and CPU usage since the object was created, with those of the fake server."""

    def __init__(self, measuring: UsageWindow, stand_in: CpuMeter) -> None:
        self._measuring = measuring
        self._stand_in = stand_in
        self._stand_in_before = stand_in.read_usage()

    def finish(self, count: int) -> tuple[Measurement, float]:
        """Return the measurement of `count` grants until now, and the fake server's CPU seconds."""
        measured = self._measuring.finish(count)
        return measured, self._stand_in.read_usage().subtract(self._stand_in_before).worker


@dataclass
class _GrantsScenario:
    """An idle worker with all rooms open, and its environment.

    `signals` holds the position of each lane in the signals topic at that point.
    """

    run: BenchRun
    fake_livekit: FakeLiveKitProcess
    producer: TrafficProducer
    connection: asyncpg.Connection
    invitations: InvitationEvents
    worker: WorkerProcess
    signal_positions: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def prepare(
        cls, run: BenchRun, plan: SeatPlan, seed: int, profile: Path | None = None
    ) -> AsyncIterator["_GrantsScenario"]:
        """Open the rooms, then start a worker and wait until it has resynced each, as after a takeover."""
        invitations = InvitationEvents(plan)
        async with (
            process.run_fake_livekit(plan.rooms, seed) as stand_in,
            traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix) as producer,
            contextlib.AsyncExitStack() as stack,
        ):
            connection = await run.connect_database()
            stack.push_async_callback(connection.close)
            await producer.send_events(plan.input_events())
            await producer.send_events(invitations.rooms_opened())
            around = run, stand_in, producer, connection, invitations
            async with worker.run_worker(run, COHOST_LIVEKIT_URL=stand_in.url) as first:
                await cls(*around, first).wait_rooms_loaded(plan)
            second = worker.run_worker(run, profile, COHOST_LIVEKIT_URL=stand_in.url)
            bench = cls(*around, await stack.enter_async_context(second))
            await bench.wait_resynced(plan)
            yield bench

    async def send_seat(self, seat: PlannedSeat) -> asyncio.Future[object]:
        """Send the event of a seat; the returned future is done when Kafka confirms it."""
        return await self.producer.send_event(*self.invitations.invitation_accepted(seat))

    def start_measuring(self) -> _GrantsWindow:
        """Start measuring time and CPU usage."""
        measuring = self.run.start_measuring(self.worker.process.pid)
        return _GrantsWindow(measuring, CpuMeter(None, None, self.fake_livekit.pid))

    async def wait_rooms_loaded(self, plan: SeatPlan) -> None:
        """Wait until the worker has loaded every room."""
        await self._wait_reached(topics.INVITATION_EVENTS, Counter(map(_lane, plan.rooms)))
        await self.wait_published()

    async def wait_resynced(self, plan: SeatPlan) -> None:
        """Wait until the resync after a takeover is complete."""

        async def done() -> bool:
            return (await self.fake_livekit.read_state()).calls.get("ListParticipants", 0) >= _RESYNCS * len(
                plan.rooms
            )

        await self._wait_until(done)
        await self.wait_published()
        self.signal_positions = (await self._read_progress(topics.BROADCAST_SIGNALS)).positions

    async def wait_decided(self, seats: Sequence[PlannedSeat]) -> None:
        """Wait until the worker has decided the call results of all `given` seats."""
        reports = Counter(_lane(seat.room_id) for seat in seats)
        await self._wait_reached(
            topics.BROADCAST_SIGNALS,
            {lane: count + self.signal_positions.get(lane, 0) for lane, count in reports.items()},
        )
        # Some of the call results may have been failures, which are retried.
        await self._wait_until(self._all_applied)

    async def wait_published(self) -> None:
        """Wait until everything decided is acknowledged as published."""

        async def done() -> bool:
            return (await self._read_progress(topics.BROADCAST_SIGNALS)).all_published

        await self._wait_until(done)

    async def _wait_reached(self, topic: Topic, ends: Mapping[int, int]) -> None:
        async def done() -> bool:
            return (await self._read_progress(topic)).has_reached(ends)

        await self._wait_until(done)

    async def _all_applied(self) -> bool:
        return not await self.connection.fetchval("SELECT count(*) FROM members WHERE out_of_sync")

    async def _read_progress(self, topic: Topic) -> WorkerProgress:
        return await worker.read_progress(self.connection, topic)

    async def _wait_until(self, done: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_LONGEST_SECONDS):
            while not await done():
                self.worker.check_alive()
                await asyncio.sleep(_LOOK_SECONDS)


def _lane(room_id: str) -> int:
    return partition_of(room_id, DEFAULT_PARTITIONS)


def _latency_of(
    seats: Sequence[PlannedSeat], due: Mapping[str, float], state: FakeLiveKitState
) -> LatencyResult:
    keys: dict[str, ParticipantKey] = {seat.id: seat.participant_key for seat in seats}
    holders = state.participants
    return latency.summarize_latency(
        1000 * (holders[keys[id_]].answered_at[0] - at)
        for id_, at in due.items()
        if keys[id_] in holders and holders[keys[id_]].answered_at
    )
