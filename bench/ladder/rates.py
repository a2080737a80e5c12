"""Rising rates of commands, for the pipeline and for the plain handler."""

import math
from collections.abc import Awaitable, Callable, Sequence

from bench import worker
from bench.baseline import measurement
from bench.environment import BenchEnvironment, BenchRun
from bench.ladder.open_loop_run import ROOMS, OpenLoopRun, RateResult
from bench.printing import PrintLine
from bench.results_file import round_figure

RATES = (10, 100, 1_000, 5_000, 10_000)
KNEE_P99_MS = 100
"""The knee is the highest rate at which p99 is at most this."""

_LEAST_COMMANDS = 300
_HIGHEST_RATE = 100_000
_KNEE_PRECISION = 1.1

MeasureRate = Callable[[int], Awaitable[RateResult]]


async def measure_pipeline(
    environment: BenchEnvironment, seconds: float, seed: int, print_line: PrintLine
) -> tuple[list[RateResult], int | None]:
    """Return one worker's latency at each rate, and its knee."""
    run = await environment.create_run("ladder")
    async with worker.run_worker(run) as process, OpenLoopRun.open(run, seed) as loop:
        await process.wait_ready()

        async def measure(rate: int, share: float = 1.0) -> RateResult:
            found = await loop.measure_rate(rate, seconds_at(rate, share * seconds))
            print_line(f"  {describe_rate(found)}")
            await loop.drain()
            return found

        rungs = [await measure(rate) for rate in RATES]
        print_line("  the knee …")
        return rungs, await find_knee(rungs, lambda rate: measure(rate, 0.5))


async def measure_plain_handler(
    environment: BenchEnvironment, seconds: float, seed: int, print_line: PrintLine
) -> list[RateResult]:
    """Return the plain handler's latency at each rate up to the first that it cannot hold."""
    rungs: list[RateResult] = []
    for rate in RATES:
        run = await environment.create_run("plain")
        found = await _measure_plain_rate(run, rate, seconds, seed)
        print_line(f"  {describe_rate(found)}")
        rungs.append(found)
        if found.latency is None:
            break
    return rungs


async def _measure_plain_rate(run: BenchRun, rate: int, seconds: float, seed: int) -> RateResult:
    async with OpenLoopRun.open(run, seed, with_facts=False) as loop:
        # It stops at its mark after the first command, and by then it has its facts and its partitions.
        await loop.send_first()
        async with measurement.run_baseline(run, ROOMS, seed):
            await loop.drain()
            return await loop.measure_rate(rate, seconds_at(rate, seconds))


def seconds_at(rate: int, seconds: float) -> float:
    """Return the seconds to send at a rate: more at a low one, since few commands have no p99."""
    return max(seconds, _LEAST_COMMANDS / rate)


async def find_knee(rungs: Sequence[RateResult], measure: MeasureRate) -> int | None:
    """Return the highest rate whose p99 is within the limit, to 10 %; None if the first rung's is not."""
    held, failed = 0, math.inf
    for found in rungs:
        if not is_within_limit(found):
            failed = found.rate
            break
        held = found.rate
    while held and failed / held > _KNEE_PRECISION and held < _HIGHEST_RATE:
        rate = int(round_figure(2 * held if failed == math.inf else math.sqrt(held * failed), 2))
        if rate in {held, failed}:
            break
        if is_within_limit(await measure(rate)):
            held = rate
        else:
            failed = rate
    return held or None


def is_within_limit(found: RateResult) -> bool:
    """Return whether a rate is held with a p99 within the knee's limit."""
    return found.latency is not None and found.latency.p99 <= KNEE_P99_MS


def describe_rate(found: RateResult) -> str:
    """Return a rate's result as a line."""
    load = f"sender and reader: {found.measurer_cpu:.0%} of a processor, p99 {found.sender_p99:.1f} ms late"
    if found.latency is None:
        return f"{found.rate} a second: not held; {load}"
    return f"{found.rate} a second: p50 {found.latency.p50:.1f}, p99 {found.latency.p99:.1f} ms; {load}"
