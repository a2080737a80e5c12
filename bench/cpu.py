"""CPU time of whole process trees, from Linux' /proc."""

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_SETTLE_SECONDS = 2
_IDLE_SECONDS = 2
_MAX_READINGS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


class CpuUsage(NamedTuple):
    """CPU time in seconds, per component."""

    worker: float = 0.0
    postgres: float = 0.0
    kafka: float = 0.0

    def add(self, other: "CpuUsage") -> "CpuUsage":
        """Return the sum, per component."""
        return CpuUsage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def subtract(self, other: "CpuUsage") -> "CpuUsage":
        """Return the difference, per component."""
        return CpuUsage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def scale(self, factor: float) -> "CpuUsage":
        """Return the usage, scaled by `factor`."""
        return CpuUsage(*(seconds * factor for seconds in self))


class ProcessTimes(NamedTuple):
    """A process' parent, its own CPU seconds, and those of its children that have ended."""

    parent: int
    own: float
    reaped: float


ProcessTree = Mapping[int, ProcessTimes]
"""Processes by pid."""


class CpuMeter(NamedTuple):
    """Pids of the process trees to measure; a component without a pid uses no time."""

    postgres: int | None
    kafka: int | None
    worker: int | None = None

    def read_usage(self) -> CpuUsage:
        """Return the CPU time of each component since it started.

        A process that ends while the others are read, such as a backend of Postgres, may be missing, or be
        counted for itself and for its parent. Hence they are read until none ended between two readings.
        """
        roots = (self.worker, self.postgres, self.kafka)
        trees = _read_trees(roots)
        for _ in range(_MAX_READINGS):
            before, trees = trees, _read_trees(roots)
            if list(map(_reaped_seconds, before)) == list(map(_reaped_seconds, trees)):
                break
        return CpuUsage(*(sum(each.own + each.reaped for each in tree.values()) for tree in trees))

    def read_usage_of(self, workers: Sequence[int]) -> CpuUsage:
        """Return the same for several workers, whose time is added up."""
        usages = [self._replace(worker=pid).read_usage() for pid in workers]
        return usages[-1]._replace(worker=sum(usage.worker for usage in usages))


async def measure_idle(meter: CpuMeter) -> CpuUsage:
    """Return the CPU time that the idle components use per second."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before, began = meter.read_usage(), time.monotonic()
    await asyncio.sleep(_IDLE_SECONDS)
    return meter.read_usage().subtract(before).scale(1 / (time.monotonic() - began))


def _read_trees(roots: Iterable[int | None]) -> list[ProcessTree]:
    """Return each of these processes with its descendants."""
    processes = _read_processes()
    children: dict[int, list[int]] = defaultdict(list)
    for process, times in processes.items():
        children[times.parent].append(process)
    return [_tree_of(root, processes, children) for root in roots]


def _tree_of(
    root: int | None, processes: ProcessTree, children: Mapping[int, Sequence[int]]
) -> dict[int, ProcessTimes]:
    tree, left = {}, [] if root is None else [root]
    while left:
        process = left.pop()
        if process in processes:
            tree[process] = processes[process]
        left += children.get(process, ())
    return tree


def _reaped_seconds(tree: ProcessTree) -> dict[int, float]:
    """Return what differs between two readings of a tree if a process began or ended between them."""
    return {process: times.reaped for process, times in tree.items()}


def _read_processes() -> ProcessTree:
    """Return the times of all processes, by pid."""
    found: dict[int, ProcessTimes] = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The second field is the command's name in parentheses; it can contain any character.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            user, system, reaped_user, reaped_system = map(int, fields[11:15])
            found[int(folder.name)] = ProcessTimes(
                int(fields[1]), (user + system) / _TICKS, (reaped_user + reaped_system) / _TICKS
            )
    return found
