"""Find work that LiveKit has not confirmed: what was just committed, and page by page all rows."""

import time
from collections.abc import Callable, Iterable

import structlog

from messaging import errors
from messaging.database import Connection
from services.broadcast import agenda, store
from services.broadcast.agenda import Agenda, Task
from services.broadcast.state import Room
from services.broadcast.store import Pending
from services.broadcast.surroundings import Surroundings
from services.broadcast.wakeup import Wakeup

_PAGE = 500
_PERIOD_SECONDS = 1.0

log = structlog.get_logger()


class Lookout:
    """Queues work items and calls `start_work` after that.

    Work that was just committed comes from memory. Nothing relies on that: all of it is found in Postgres
    too.
    """

    def __init__(
        self, around: Surroundings, wakeup: Wakeup, agenda: Agenda, begin: Callable[[], None]
    ) -> None:
        self._pool = around.pool
        self._ownership = around.ownership
        self._metrics = around.metrics
        self._wakeup = wakeup
        self._agenda = agenda
        self._begin = begin
        self._scan_at = 0.0
        self._room_after = ""
        self._member_after = ("", "")

    def start_over(self) -> None:
        """Scan all rows again from the first one, at once."""
        self._room_after, self._member_after = "", ("", "")
        self._scan_at = 0.0
        self._wakeup.ring()

    async def look(self) -> None:
        """Wait until woken or until the next scan is due, then queue the work that is found."""
        await self._wakeup.wait(max(0.0, self._scan_at - time.monotonic()))
        self._take_in(*self._wakeup.take())
        try:
            await self._again()
            if time.monotonic() >= self._scan_at:
                await self._scan()
        except Exception as error:
            if not errors.is_transient(error):
                raise
            log.info("pending work query failed", error=type(error).__name__)
            self._scan_at = time.monotonic() + _PERIOD_SECONDS

    async def _again(self) -> None:
        """Read the stale keys again, most of which failed, and queue the work that they still have."""
        keys = self._wakeup.take_again()
        if not keys:
            return
        async with self._pool.acquire() as connection:
            rooms, members = await store.wished(connection, keys)
        self._take_in(rooms, members)

    async def _scan(self) -> None:
        """Queue the next page of pending work; scan on at once while a page has work that was not known."""
        self._scan_at = time.monotonic() + _PERIOD_SECONDS
        lanes = self._ownership.lanes()
        if not lanes or len(self._agenda) >= _PAGE:
            return
        async with self._pool.acquire() as connection:
            news = self._take_in(*await self._page(connection, lanes))
            self._metrics.unfinished.set(await store.unfinished(connection))
        if news and (self._room_after or self._member_after[0]):
            self._scan_at = 0.0

    async def _page(self, connection: Connection, lanes: list[int]) -> tuple[list[Room], list[Pending]]:
        rooms = await store.deletions(connection, lanes, self._room_after, _PAGE)
        members = await store.pending(connection, lanes, self._member_after, _PAGE)
        self._room_after = rooms[-1].room_id if len(rooms) == _PAGE else ""
        self._member_after = agenda.of(members[-1]).key if len(members) == _PAGE else ("", "")
        return rooms, members

    def _take_in(self, rooms: Iterable[Room], members: Iterable[Pending]) -> bool:
        """Queue the work; return whether any of it was not known."""
        news = self._agenda.take_in([*map(Task, rooms), *map(agenda.of, members)])
        self._begin()
        return news
