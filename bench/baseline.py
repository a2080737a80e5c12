"""Measurement of the baseline handler, with the same meter as the pipeline's worker."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence

from bench.measured import Measured
from bench.place import Run
from bench.room import Command

_END_SECONDS = 5
_LONGEST_SECONDS = 120


async def measure(run: Run, commands: Sequence[Command], rooms: int, seed: int, workers: int) -> Measured:
    """Drain filled topics with the baseline handler; the first tenth of the commands is warm-up."""
    warm_up = len(commands) // 10
    count = len(commands) - warm_up
    options = {
        "bootstrap_servers": run.kafka,
        "database_url": run.database_url,
        "prefix": run.prefix,
        "rooms": rooms,
        "seed": seed,
        "workers": workers,
        "warm_up": warm_up,
        "count": count,
    }
    async with _process(options) as process, asyncio.timeout(_LONGEST_SECONDS):
        meter = run.meter._replace(worker=process.pid)
        await _said(process, "began")
        began, before = time.monotonic(), meter.read()
        await _said(process, "ended")
        seconds = time.monotonic() - began
        usage = meter.read().minus(before).minus(run.idle.times(seconds))
    return Measured(count, seconds, usage)


@contextlib.asynccontextmanager
async def _process(options: dict[str, object]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.plain", json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _said(process: asyncio.subprocess.Process, mark: str) -> None:
    if process.stdout is None or (await process.stdout.readline()).decode().strip() != mark:
        msg = f"the baseline handler exited before printing {mark!r}"
        raise RuntimeError(msg)
