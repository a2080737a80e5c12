"""Open-loop load: a fixed rate that does not depend on the outcomes, and the arrival time of each outcome."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Protocol, TypeVar

from bench import outcomes
from bench.environment import BenchRun

# What falls due within it is sent at once: at high rates, to wait for each would cost more than to send it.
_STEP_SECONDS = 0.001
_POLL_MS = 50
_LOOK_SECONDS = 0.01


class HasId(Protocol):
    """An item with an id."""

    @property
    def id(self) -> str:
        """The id."""
        ...


T = TypeVar("T", bound=HasId)


async def send_at_rate(
    send_one: Callable[[T], Awaitable[asyncio.Future[Any]]], items: Iterator[T], rate: int, count: int
) -> dict[str, float]:
    """Send `count` items at `rate` per second; return each item's due time by its id, in `time.monotonic()`.

    Latency counts from the due time, even for an item that was sent late because the machine was busy.
    """
    due: dict[str, float] = {}
    began = time.monotonic()
    unconfirmed: set[asyncio.Future[Any]] = set()
    while len(due) < count:
        # Those that are due now: the first one is due at the beginning, not an interval later.
        by_now = min(count, int((time.monotonic() - began) * rate) + 1)
        for thing in islice(items, by_now - len(due)):
            due[thing.id] = began + len(due) / rate
            future = await send_one(thing)
            unconfirmed.add(future)
            future.add_done_callback(unconfirmed.discard)
        next_due = began + len(due) / rate
        await asyncio.sleep(max(_STEP_SECONDS, next_due - time.monotonic()))
    await asyncio.gather(*unconfirmed)
    return due


class OutcomeTimes:
    """The time at which the outcome of each command reached a read_committed consumer."""

    def __init__(self, run: BenchRun) -> None:
        self.arrived_at: dict[str, float] = {}
        self._is_reading = asyncio.Event()
        self._run = run

    @classmethod
    @contextlib.asynccontextmanager
    async def record(cls, run: BenchRun) -> AsyncIterator["OutcomeTimes"]:
        """Record outcomes for the duration of the block, which begins once none can be missed."""
        arrivals = cls(run)
        reading = asyncio.create_task(arrivals._read_outcomes())
        try:
            await arrivals._is_reading.wait()
            yield arrivals
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def wait_for(self, command_ids: AbstractSet[str], seconds: float) -> None:
        """Wait until each of these commands has an outcome. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not command_ids <= self.arrived_at.keys():
                await asyncio.sleep(_LOOK_SECONDS)

    def latencies(self, due: Mapping[str, float]) -> list[float]:
        """Return the milliseconds from each command's due time, by its id, to its outcome."""
        return [1000 * (self.arrived_at[id_] - at) for id_, at in due.items()]

    async def _read_outcomes(self) -> None:
        async with outcomes.open_consumer(self._run) as reader:
            everywhere = outcomes.topic_partitions(self._run)
            reader.assign(everywhere)
            for place, end in (await reader.end_offsets(everywhere)).items():
                reader.seek(place, end)
            self._is_reading.set()
            while True:
                for records in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                    now = time.monotonic()
                    for record in records:
                        self.arrived_at.setdefault(outcomes.find_command_id(record.value), now)
