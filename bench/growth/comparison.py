"""What comparing many open rooms with LiveKit takes: calls, and processor time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from bench import worker
from bench.cpu import CpuMeter, CpuUsage
from bench.environment import BenchEnvironment
from bench.fake_livekit import process
from bench.fake_livekit.process import FakeLiveKitProcess
from bench.worker import WorkerProcess
from bench.workload import seat_plan, traffic_producer
from bench.workload.seat_plan import InvitationEvents, SeatPlan

ROOMS = (1_000, 10_000)
PERIOD_SECONDS = 30
CLOUD_CALLS_A_MINUTE = 1_000
"""What LiveKit Cloud allows a project (docs.livekit.io/cloud/quotas-and-limits/, API requests)."""

_SECONDS = 60
_RESYNCS = 2
"""Comparisons of a room after a start: the first at once, the second when earlier calls have ended."""
_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 300


class ComparisonResult(NamedTuple):
    """Calls by method in `seconds`, and processor seconds; `livekit_cpu` is the fake server's."""

    rooms: int
    seconds: float
    calls: Counter[str]
    usage: CpuUsage
    livekit_cpu: float

    @property
    def calls_per_second(self) -> float:
        """All calls per second."""
        return self.calls.total() / self.seconds

    @property
    def processor_shares(self) -> CpuUsage:
        """The share of a processor that each component used."""
        return self.usage.scale(1 / self.seconds)


def shortest_period(rooms: int) -> float:
    """Return the shortest `COHOST_COMPARISON_SECONDS` that keeps this number of rooms within the limit."""
    return 60 * rooms / CLOUD_CALLS_A_MINUTE


async def measure_comparison(environment: BenchEnvironment, rooms: int, seed: int) -> ComparisonResult:
    """Open rooms and measure a worker that compares each of them once in 30 s."""
    run = await environment.create_run("compare", "broadcast")
    plan = seat_plan.plan_seats("room", rooms, rooms, seed)
    async with (
        process.run_fake_livekit(plan.rooms, seed) as livekit,
        traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix, linger_ms=5) as producer,
    ):
        await producer.send_events(InvitationEvents(plan).rooms_opened())
        start_worker = partial(
            worker.run_worker,
            run,
            COHOST_LIVEKIT_URL=livekit.url,
            COHOST_COMPARISON_SECONDS=str(PERIOD_SECONDS),
        )
        connection = await run.connect_database()
        try:
            async with start_worker() as opener:
                await _wait_opened(plan, connection.fetchval, opener)
        finally:
            await connection.close()
        async with start_worker() as comparer:
            await _wait_resynced(rooms, livekit, comparer)
            livekit_meter = CpuMeter(None, None, livekit.pid)
            calls, livekit_before = await _count_calls(livekit), livekit_meter.read_usage()
            measuring = run.start_measuring(comparer.process.pid)
            await asyncio.sleep(_SECONDS)
            measured = measuring.finish(rooms)
            livekit_cpu = livekit_meter.read_usage().subtract(livekit_before).worker
            calls = await _count_calls(livekit) - calls
            return ComparisonResult(rooms, measured.seconds, calls, measured.usage, livekit_cpu)


async def _wait_opened(
    plan: SeatPlan, fetch_value: Callable[[str], Awaitable[int]], opener: WorkerProcess
) -> None:
    """Wait until the worker has stored every room."""
    await opener.wait_ready()
    async with asyncio.timeout(_LONGEST_SECONDS):
        while await fetch_value("SELECT count(*) FROM rooms") < len(plan.rooms):
            opener.check_alive()
            await asyncio.sleep(_LOOK_SECONDS)


async def _wait_resynced(rooms: int, livekit: FakeLiveKitProcess, comparer: WorkerProcess) -> None:
    """Wait until the comparisons after the start are over, and the periodic ones have begun."""
    seen = (await _count_calls(livekit))["ListParticipants"]
    async with asyncio.timeout(_LONGEST_SECONDS):
        while (await _count_calls(livekit))["ListParticipants"] < seen + _RESYNCS * rooms:
            comparer.check_alive()
            await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(PERIOD_SECONDS)


async def _count_calls(livekit: FakeLiveKitProcess) -> Counter[str]:
    return Counter((await livekit.read_state()).calls)
