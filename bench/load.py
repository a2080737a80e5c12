"""An open loop: so many a second, whatever becomes of them, and what becomes of them in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

from bench import outcomes
from bench.place import Run

_STEP_SECONDS = 0.004
_POLL_MS = 50


class Named(Protocol):
    """What has an id."""

    @property
    def id(self) -> str:
        """The id."""
        ...


T = TypeVar("T", bound=Named)


async def send(
    hand_over: Callable[[T], Awaitable[asyncio.Future[Any]]], things: Iterator[T], rate: int, count: int
) -> dict[str, float]:
    """Send so many at this rate; return when each was due, by its id, as `time.monotonic()` tells it.

    What is sent late, because everything was busy, counts from when it was due.
    """
    due: dict[str, float] = {}
    began = time.monotonic()
    unconfirmed: set[asyncio.Future[Any]] = set()
    while len(due) < count:
        by_now = min(count, int((time.monotonic() - began) * rate))
        for thing in islice(things, by_now - len(due)):
            due[thing.id] = began + len(due) / rate
            future = await hand_over(thing)
            unconfirmed.add(future)
            future.add_done_callback(unconfirmed.discard)
        await asyncio.sleep(_STEP_SECONDS)
    await asyncio.gather(*unconfirmed)
    return due


class Arrivals:
    """When the outcome of each command reached a reader of what is committed."""

    def __init__(self, run: Run) -> None:
        self.at: dict[str, float] = {}
        self.reading = asyncio.Event()
        self._run = run

    async def read(self) -> None:
        """Read until cancelled; `reading` is set once nothing can be missed any more."""
        async with outcomes.consumer(self._run) as reader:
            everywhere = outcomes.places(self._run)
            reader.assign(everywhere)
            for place, end in (await reader.end_offsets(everywhere)).items():
                reader.seek(place, end)
            self.reading.set()
            while True:
                for records in (await reader.getmany(timeout_ms=_POLL_MS)).values():
                    now = time.monotonic()
                    for record in records:
                        self.at.setdefault(outcomes.outcome(record)[0], now)
