"""Measurement of the latency from command to outcome at a steady rate."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import worker
from bench.environment import BenchRun
from bench.workload import open_loop, traffic, traffic_producer

WARM_UP_SECONDS = 3
_LATE_SECONDS = 20
_ROOMS = 1000


@dataclass(frozen=True)
class LatencyResult:
    """Milliseconds from a command's due time to its outcome at a read_committed consumer."""

    rate: int
    commands: int
    p50: float
    p99: float
    longest: float


async def measure_latency(run: BenchRun, rate: int, seconds: int, seed: int) -> LatencyResult:
    """Load one worker at `rate` commands per second for `seconds` and time them; a warm-up comes first."""
    made = traffic.generate_traffic(_ROOMS, seed)
    arrivals = open_loop.OutcomeTimes(run)
    async with (
        traffic_producer.TrafficProducer(run.bootstrap_servers, run.prefix) as producer,
        worker.run_worker(run) as process,
    ):
        await producer.send_facts(made)
        await process.wait_ready()
        reading = asyncio.create_task(arrivals.record_outcomes())
        try:
            await arrivals.is_reading.wait()
            commands = made.iterate_commands()
            await open_loop.send_at_rate(producer.send_command, commands, rate, WARM_UP_SECONDS * rate)
            due = await open_loop.send_at_rate(producer.send_command, commands, rate, seconds * rate)
            await _wait_for_outcomes(arrivals, due)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return summarize_latency(rate, sorted(1000 * (arrivals.arrived_at[id_] - at) for id_, at in due.items()))


async def _wait_for_outcomes(arrivals: open_loop.OutcomeTimes, due: Mapping[str, float]) -> None:
    async with asyncio.timeout(_LATE_SECONDS):
        while not due.keys() <= arrivals.arrived_at.keys():
            await asyncio.sleep(0.05)


def summarize_latency(rate: int, sorted_ms: Sequence[float]) -> LatencyResult:
    """Return the quantiles of latencies in milliseconds, sorted."""
    count = len(sorted_ms)
    return LatencyResult(rate, count, sorted_ms[count // 2], sorted_ms[count * 99 // 100], sorted_ms[-1])
