"""What a soak measures in a minute, and what it calls flat."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from bench.cpu import CpuUsage

HISTORY_TABLES = frozenset({"invitations.invitations", "invitations.outcomes", "broadcast.outcomes"})
"""Tables that keep a row for each command or invitation. They grow with what was done."""

_GROWTH = 1.2
_MEMORY_GROWTH = 1.05
_SLOWER = 1.5
_SLACK_MS = 10.0
_SLACK_MIB = 8.0

FLAT_P99 = (
    "p99 is flat if the median of the last third of the minutes is at most 1.5 times that of the first, "
    "or 10 ms above it"
)
FLAT_MEMORY = (
    "memory is flat if a process' median in the last third is at most 1.05 times that in the second, or "
    "8 MiB above it"
)
FLAT_TABLES = (
    "tables are flat if those without history have at the end at most 1.2 times what they had after the "
    "snapshot, or 8 MiB more, and if a stored row of a table with history takes at most 1.2 times the bytes "
    "that it took after the snapshot"
)


class TableSize(NamedTuple):
    """A table with its indexes and TOAST: bytes, and Postgres' estimates of live and dead rows."""

    bytes: int
    live_rows: int
    dead_rows: int


@dataclass(frozen=True)
class SoakMinute:
    """One minute: latency in ms, memory in MiB by process, records not decided, and processor time.

    `cpu` is in µs for each command; its worker is all processes of the services together.
    """

    commands: int
    p50: float
    p99: float
    memory: Mapping[str, float]
    lag: int
    cpu: CpuUsage
    tables: Mapping[str, TableSize]
    has_snapshot: bool

    def mebibytes(self, *, history: bool) -> float:
        """Return the size of the tables with history, or of the others."""
        chosen = [size.bytes for name, size in self.tables.items() if (name in HISTORY_TABLES) is history]
        return sum(chosen) / 2**20

    @property
    def dead_rows(self) -> int:
        """Return the dead rows of all tables."""
        return sum(size.dead_rows for size in self.tables.values())


def find_growth(minutes: Sequence[SoakMinute]) -> list[str]:
    """Return a sentence for each thing that was not flat."""
    return [*_find_slower(minutes), *_find_memory_growth(minutes), *_find_table_growth(minutes)]


def _find_slower(minutes: Sequence[SoakMinute]) -> list[str]:
    first, _, last = _thirds(minutes)
    before, after = (median(minute.p99 for minute in part) for part in (first, last))
    if after <= max(_SLOWER * before, before + _SLACK_MS):
        return []
    return [f"p99 rose from {before:.0f} to {after:.0f} ms"]


def _find_memory_growth(minutes: Sequence[SoakMinute]) -> list[str]:
    """Compare with the second third: caches fill in the first."""
    _, second, last = _thirds(minutes)
    found = []
    for process in minutes[0].memory:
        before, after = (median(minute.memory[process] for minute in part) for part in (second, last))
        if not _is_flat(before, after, _MEMORY_GROWTH):
            found.append(f"memory of {process} rose from {before:.0f} to {after:.0f} MiB")
    return found


def _find_table_growth(minutes: Sequence[SoakMinute]) -> list[str]:
    after, last = minutes[_settled_minute(minutes)], minutes[-1]
    found = []
    for name, size in last.tables.items():
        earlier = after.tables[name]
        if name in HISTORY_TABLES:
            was, now = (each.bytes / max(1, each.live_rows) for each in (earlier, size))
            if now > _GROWTH * was:
                found.append(f"a row of {name} took {was:.0f} and then {now:.0f} bytes")
        elif not _is_flat(earlier.bytes / 2**20, size.bytes / 2**20):
            found.append(f"{name} grew from {earlier.bytes / 2**20:.1f} to {size.bytes / 2**20:.1f} MiB")
    return found


def _settled_minute(minutes: Sequence[SoakMinute]) -> int:
    """Return the first minute after the snapshot, or the middle one without a snapshot."""
    held = [number for number, minute in enumerate(minutes) if minute.has_snapshot]
    return min(held[-1] + 1, len(minutes) - 1) if held else len(minutes) // 2


def _is_flat(before: float, after: float, growth: float = _GROWTH) -> bool:
    return after <= max(growth * before, before + _SLACK_MIB)


def _thirds(minutes: Sequence[SoakMinute]) -> tuple[Sequence[SoakMinute], ...]:
    third = max(1, len(minutes) // 3)
    return minutes[:third], minutes[third:-third] or minutes[:third], minutes[-third:]


def snapshot_costs(minutes: Sequence[SoakMinute], cost: Callable[[SoakMinute], float]) -> tuple[float, float]:
    """Return the medians of a cost without and with the snapshot, for comparison."""
    without = [cost(minute) for minute in minutes if not minute.has_snapshot]
    held = [cost(minute) for minute in minutes if minute.has_snapshot]
    return median(without), median(held or without)
