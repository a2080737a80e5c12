"""Measurement of the baseline handler and other consumers, with the same meter as the pipeline's worker."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence

from bench.baseline import marks
from bench.environment import BenchRun
from bench.results import Measurement
from bench.workload.simulated_room import PlannedCommand

_END_SECONDS = 5
_LONGEST_SECONDS = 120


async def measure_baseline(
    run: BenchRun, commands: Sequence[PlannedCommand], rooms: int, seed: int, workers: int
) -> Measurement:
    """Drain filled topics with the baseline handler; the first tenth of the commands is warm-up."""
    warm_up = len(commands) // 10
    count = len(commands) - warm_up
    options = consumer_options(run, rooms, seed, workers) | {"warm_up": warm_up, "count": count}
    return await measure_consumer(run, "bench.baseline.consumer", options, count)


@contextlib.asynccontextmanager
async def run_baseline(run: BenchRun, rooms: int, seed: int) -> AsyncIterator[None]:
    """Run the baseline handler during the block, once it has handled the topic's first command."""
    options = consumer_options(run, rooms, seed, 1) | {"warm_up": 1, "count": sys.maxsize}
    async with _run_module("bench.baseline.consumer", options) as process:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await marks.wait_for_mark(process, "began")
        marks.release_process(process)
        yield
        process.kill()


def consumer_options(run: BenchRun, rooms: int, seed: int, workers: int) -> dict[str, object]:
    """Return the options of `bench.baseline.consumer`, without the numbers of its messages."""
    return {
        "bootstrap_servers": run.bootstrap_servers,
        "database_url": run.database_url,
        "prefix": run.prefix,
        "rooms": rooms,
        "seed": seed,
        "workers": workers,
    }


async def measure_consumer(
    run: BenchRun, module: str, options: Mapping[str, object], count: int
) -> Measurement:
    """Run a module with these options, and measure it between its marks `began` and `ended`.

    `count` is the number of messages that it handles between them. It waits at both while it is measured.
    """
    async with _run_module(module, options) as process, asyncio.timeout(_LONGEST_SECONDS):
        await marks.wait_for_mark(process, "began")
        measuring = run.start_measuring(process.pid)
        marks.release_process(process)
        await marks.wait_for_mark(process, "ended")
        measured = measuring.finish(count)
        marks.release_process(process)
    return measured


@contextlib.asynccontextmanager
async def _run_module(
    module: str, options: Mapping[str, object]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, json.dumps(options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
