"""Where the time of one command goes at a low rate, step by step."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import worker
from bench.environment import BenchEnvironment
from bench.ladder.open_loop_run import OpenLoopRun
from bench.measurements.latency import LatencyResult, summarize_latency

RATE = 10

STEPS = (
    *("sent", "in Kafka", "fetched", "decided", "committed"),
    *("begun", "produced", "confirmed", "read"),
)
"""The steps; docs/performance.md says what has happened at the end of each."""

Stamps = Mapping[str, Mapping[str, float]]
"""The time at which a command passed a step, by step and command id."""


@dataclass(frozen=True)
class StepResult:
    """Latency of a step, from the end of the one before it; the last one, `whole`, is all steps."""

    name: str
    latency: LatencyResult


async def measure_steps(environment: BenchEnvironment, seconds: float, seed: int) -> list[StepResult]:
    """Send a few commands, one at a time, and return the latency of each step and of the whole."""
    run = await environment.create_run("steps")
    path = run.stack.root / f"{run.prefix}stamps"
    launcher = ("-m", "bench.ladder.stamped_worker", str(path))
    async with worker.run_worker(run, launcher=launcher) as process, OpenLoopRun.open(run, seed) as loop:
        await process.wait_ready()
        await loop.measure_rate(RATE, seconds)
        await loop.drain()
    measured = {
        "sent": loop.sent_at,
        "in Kafka": loop.confirmed_at,
        **read_stamps(path),
        "read": loop.arrivals.arrived_at,
    }
    return summarize_steps(loop.due, measured)


def read_stamps(path: Path) -> Stamps:
    """Return the stamps that a worker wrote."""
    return collect_stamps(json.loads(line) for line in path.read_text().splitlines())


def collect_stamps(lines: Iterable[tuple[str, float, Sequence[str]]]) -> Stamps:
    """Return stamps by step and command id; a line without ids is about the last transaction."""
    stamps: dict[str, dict[str, float]] = {}
    begun: Sequence[str] = ()
    for step, at, ids in lines:
        if step == "begun":
            begun = ids
        for command_id in begun if step == "produced" else ids:
            # A command that has several events has several stamps.
            stamps.setdefault(step, {}).setdefault(command_id, at)
    return stamps


def summarize_steps(due: Mapping[str, float], stamps: Stamps) -> list[StepResult]:
    """Return the latency of each step and of the whole, of the commands that passed all steps."""
    ids = [id_ for id_ in due if all(id_ in stamps.get(step, ()) for step in STEPS)]
    times = [due, *(stamps[step] for step in STEPS)]
    found = [
        StepResult(step, _latency_between(ids, before, after))
        for step, before, after in zip(STEPS, times, times[1:], strict=False)
    ]
    return [*found, StepResult("whole", _latency_between(ids, due, stamps["read"]))]


def _latency_between(
    ids: Sequence[str], before: Mapping[str, float], after: Mapping[str, float]
) -> LatencyResult:
    # Two processes can learn of the same thing in either order.
    return summarize_latency(1000 * max(0.0, after[id_] - before[id_]) for id_ in ids)
