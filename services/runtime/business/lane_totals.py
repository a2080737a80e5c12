"""Numbers of now, by lane: each copy of a service shows those of the lanes that it owns."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg

from messaging.database import Connection
from messaging.lanes.lease import LaneLease

CountRows = Callable[[Connection, Sequence[int]], Awaitable[Mapping[int, Mapping[str, int]]]]


class LaneTotals:
    """Totals by lane and name: counted in Postgres when a lane is acquired, then moved by each commit.

    `count_rows` returns them by lane; a lane without rows may be missing. While a lane has no owner, no copy
    shows its part.
    """

    def __init__(self, lease: LaneLease, pool: asyncpg.Pool, count_rows: CountRows) -> None:
        self._lease = lease
        self._pool = pool
        self._count_rows = count_rows
        self._totals: dict[int, Counter[str]] = {}

    async def on_lanes_acquired(self, lanes: Mapping[int, bool]) -> None:
        """Count the lanes' rows: their previous owner is fenced, and this one has decided nothing yet."""
        async with self._pool.acquire() as connection:
            counted = await self._count_rows(connection, list(lanes))
        for lane in lanes:
            self._totals[lane] = Counter(counted.get(lane, {}))

    def add_committed(self, changes: Mapping[tuple[int, str], int]) -> None:
        """Add a committed batch's changes, by lane and name."""
        for (lane, name), change in changes.items():
            if lane in self._totals:
                self._totals[lane][name] += change

    def total(self, name: str) -> int:
        """Return the sum over the lanes that are owned now."""
        return sum(self._totals[lane][name] for lane in self._lease.owned_lanes if lane in self._totals)
