"""CPU time of whole process trees, from Linux' /proc."""

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_SETTLE_SECONDS = 2
_IDLE_SECONDS = 2
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU time in seconds, per component."""

    worker: float = 0.0
    postgres: float = 0.0
    kafka: float = 0.0

    def minus(self, other: "Usage") -> "Usage":
        """Return the difference, per component."""
        return Usage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, factor: float) -> "Usage":
        """Return the usage, scaled by `factor`."""
        return Usage(*(seconds * factor for seconds in self))


class Meter(NamedTuple):
    """Pids of the process trees to measure; a component without a pid uses no time."""

    postgres: int | None
    kafka: int | None
    worker: int | None = None

    def read(self) -> Usage:
        """Return the CPU time of each component since it started."""
        processes = _processes()
        children: dict[int, list[int]] = defaultdict(list)
        for process, (parent, _) in processes.items():
            children[parent].append(process)
        return Usage(*(_tree(processes, children, root) for root in (self.worker, self.postgres, self.kafka)))


async def at_rest(meter: Meter) -> Usage:
    """Return the CPU time that the idle components use per second."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before, began = meter.read(), time.monotonic()
    await asyncio.sleep(_IDLE_SECONDS)
    return meter.read().minus(before).times(1 / (time.monotonic() - began))


def _tree(
    processes: Mapping[int, tuple[int, float]], children: Mapping[int, list[int]], root: int | None
) -> float:
    total, left = 0.0, [] if root is None else [root]
    while left:
        process = left.pop()
        total += processes.get(process, (0, 0.0))[1]
        left += children.get(process, ())
    return total


def _processes() -> dict[int, tuple[int, float]]:
    """Return each process' parent pid and the CPU seconds of it and its reaped children."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The second field is the command's name in parentheses; it can contain any character.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    return found
