"""Measurement of the latency from command to outcome at a steady rate."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bench import load, producing, traffic, worker
from bench.place import Run

WARM_UP_SECONDS = 3
_LATE_SECONDS = 20
_ROOMS = 1000


@dataclass(frozen=True)
class Latency:
    """Milliseconds from a command's due time to its outcome at a read_committed consumer."""

    rate: int
    commands: int
    p50: float
    p99: float
    longest: float


async def measure(run: Run, rate: int, seconds: int, seed: int) -> Latency:
    """Load one worker at `rate` commands per second for `seconds` and time them; a warm-up comes first."""
    made = traffic.make(_ROOMS, seed)
    arrivals = load.Arrivals(run)
    async with producing.Producer(run.kafka, run.prefix) as producer, worker.started(run) as process:
        await producer.facts(made)
        await process.ready()
        reading = asyncio.create_task(arrivals.read())
        try:
            await arrivals.reading.wait()
            commands = made.turns()
            await load.send(producer.command, commands, rate, WARM_UP_SECONDS * rate)
            due = await load.send(producer.command, commands, rate, seconds * rate)
            await _arrived(arrivals, due)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return _summary(rate, sorted(1000 * (arrivals.at[id_] - at) for id_, at in due.items()))


async def _arrived(arrivals: load.Arrivals, due: Mapping[str, float]) -> None:
    async with asyncio.timeout(_LATE_SECONDS):
        while not due.keys() <= arrivals.at.keys():
            await asyncio.sleep(0.05)


def _summary(rate: int, sorted_ms: list[float]) -> Latency:
    count = len(sorted_ms)
    return Latency(rate, count, sorted_ms[count // 2], sorted_ms[count * 99 // 100], sorted_ms[-1])
