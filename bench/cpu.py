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


class CpuUsage(NamedTuple):
    """CPU time in seconds, per component."""

    worker: float = 0.0
    postgres: float = 0.0
    kafka: float = 0.0

    def subtract(self, other: "CpuUsage") -> "CpuUsage":
        """Return the difference, per component."""
        return CpuUsage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def scale(self, factor: float) -> "CpuUsage":
        """Return the usage, scaled by `factor`."""
        return CpuUsage(*(seconds * factor for seconds in self))


class CpuMeter(NamedTuple):
    """Pids of the process trees to measure; a component without a pid uses no time."""

    postgres: int | None
    kafka: int | None
    worker: int | None = None

    def read_usage(self) -> CpuUsage:
        """Return the CPU time of each component since it started."""
        processes = _read_processes()
        children: dict[int, list[int]] = defaultdict(list)
        for process, (parent, _) in processes.items():
            children[parent].append(process)
        return CpuUsage(
            *(_tree_seconds(processes, children, root) for root in (self.worker, self.postgres, self.kafka))
        )


async def measure_idle(meter: CpuMeter) -> CpuUsage:
    """Return the CPU time that the idle components use per second."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before, began = meter.read_usage(), time.monotonic()
    await asyncio.sleep(_IDLE_SECONDS)
    return meter.read_usage().subtract(before).scale(1 / (time.monotonic() - began))


def _tree_seconds(
    processes: Mapping[int, tuple[int, float]], children: Mapping[int, list[int]], root: int | None
) -> float:
    total, left = 0.0, [] if root is None else [root]
    while left:
        process = left.pop()
        total += processes.get(process, (0, 0.0))[1]
        left += children.get(process, ())
    return total


def _read_processes() -> dict[int, tuple[int, float]]:
    """Return each process' parent pid and the CPU seconds of it and its reaped children."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The second field is the command's name in parentheses; it can contain any character.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    return found
