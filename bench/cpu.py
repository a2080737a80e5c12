"""Processor time of whole process trees, as Linux counts it in /proc."""

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
    """Seconds of processor time."""

    worker: float = 0.0
    postgres: float = 0.0
    kafka: float = 0.0

    def minus(self, other: "Usage") -> "Usage":
        """Return the difference, part by part."""
        return Usage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, factor: float) -> "Usage":
        """Return the usage scaled."""
        return Usage(*(seconds * factor for seconds in self))


class Meter(NamedTuple):
    """The processes whose trees are measured, by their ids; a part without one takes no time."""

    postgres: int | None
    kafka: int | None
    worker: int | None = None

    def read(self) -> Usage:
        """Return what each part has taken since it started."""
        processes = _processes()
        children: dict[int, list[int]] = defaultdict(list)
        for process, (parent, _) in processes.items():
            children[parent].append(process)
        return Usage(*(_tree(processes, children, root) for root in (self.worker, self.postgres, self.kafka)))


async def at_rest(meter: Meter) -> Usage:
    """Return what the parts take in a second in which nothing is asked of them."""
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
    """Return each process' parent and the seconds that it and its dead children have taken."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The second field is the command's name in parentheses, which may hold anything.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    return found
