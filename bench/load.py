"""An open loop: commands at a steady rate, whatever becomes of them, and what becomes of them in time."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

from bench import outcomes
from bench.place import Run
from bench.producing import Producer
from bench.room import Command

_STEP_SECONDS = 0.004
_POLL_MS = 50


async def send(
    producer: Producer, commands: Iterator[Command], rate: int, seconds: float
) -> dict[str, float]:
    """Send at this rate for so long; return when each command was due, as `time.monotonic()` tells it.

    A command that is sent late, because everything was busy, counts from when it was due.
    """
    due: dict[str, float] = {}
    began = time.monotonic()
    unconfirmed: set[asyncio.Future[object]] = set()
    while (passed := time.monotonic() - began) < seconds:
        for command in islice(commands, int(passed * rate) - len(due)):
            due[command.id] = began + len(due) / rate
            future = await producer.command(command)
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
