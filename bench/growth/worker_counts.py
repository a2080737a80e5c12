"""The same drain by one worker, by two and by four."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from statistics import median

from bench import worker
from bench.environment import BenchEnvironment
from bench.growth.growth_point import COMMANDS, GrowthPoint
from bench.growth.stored_rows import StoredSize
from bench.results import Measurement
from bench.worker import WorkerProcess

COUNTS = (1, 2, 4)

_SIZE = StoredSize(1_000, 20_000)
_ROUNDS = 3
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 120
# They are paused while the topics are filled, and must stay members of their group.
_SESSION_MS = "60000"


async def measure_worker_counts(environment: BenchEnvironment, seed: int) -> dict[int, list[Measurement]]:
    """Return drains by the number of workers, in rounds, each with new workers and empty caches."""
    point = await GrowthPoint.prepare(environment, _SIZE, seed)
    found: dict[int, list[Measurement]] = {count: [] for count in COUNTS}
    for _ in range(_ROUNDS):
        for count in COUNTS:
            found[count].append(await _measure_drain(point, count))
    return found


def median_cost(rounds: Sequence[Measurement]) -> float:
    """Return the processor time of a command in µs, of all workers and servers."""
    return median(sum(each.cpu_microseconds) for each in rounds)


def median_rate(rounds: Sequence[Measurement]) -> float:
    """Return the commands per second."""
    return median(each.per_second for each in rounds)


async def _measure_drain(point: GrowthPoint, count: int) -> Measurement:
    async with _run_workers(point, count) as workers:
        for each in workers:
            each.process.pause()
        await point.send([point.next_command() for _ in range(COMMANDS)])
        measuring = point.run.start_measuring(*(each.process.pid for each in workers))
        for each in workers:
            each.process.resume()
        await point.wait_published(workers[0])
        return measuring.finish(COMMANDS)


@contextlib.asynccontextmanager
async def _run_workers(point: GrowthPoint, count: int) -> AsyncIterator[Sequence[WorkerProcess]]:
    """Run workers until the end of the block; it begins when each of them has lanes."""
    async with contextlib.AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(
                worker.run_worker(point.run, COHOST_SESSION_TIMEOUT_MS=_SESSION_MS)
            )
            for _ in range(count)
        ]
        connection = await point.run.connect_database()
        stack.push_async_callback(connection.close)
        async with asyncio.timeout(_LONGEST_SECONDS):
            while await connection.fetchval(_COUNT_OWNERS) != count:
                await asyncio.sleep(_LOOK_SECONDS)
            for each in workers:
                await each.wait_ready()
        yield workers


_COUNT_OWNERS = "SELECT count(DISTINCT owner) FROM lanes WHERE NOT released"
