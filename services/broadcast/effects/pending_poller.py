"""Find work that LiveKit has not confirmed: just committed work in memory, and all of it in rows."""

import time
from collections.abc import Iterable, Mapping

import asyncpg
import structlog

from cohost.kafka.backoff import Backoff
from messaging import errors
from messaging.database import Connection
from messaging.lanes.lease import LaneLease
from services.broadcast import store
from services.broadcast.batch_changes import MemberInRoom
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import MemberKey, Room
from services.broadcast.effects import work_queue
from services.broadcast.effects.work_queue import WorkItem, WorkQueue
from services.broadcast.metrics import LiveKitMetrics

_PAGE_SIZE = 500
_SCAN_SECONDS = 1.0

log = structlog.get_logger()


class PendingPoller:
    """Puts work on the queue.

    Just committed work comes from memory, which only saves time: a scan of Postgres finds all of it too.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        lease: LaneLease,
        dirty_keys: DirtyKeys,
        queue: WorkQueue,
        metrics: LiveKitMetrics,
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._dirty_keys = dirty_keys
        self._queue = queue
        self._metrics = metrics
        self._backoff = Backoff(_SCAN_SECONDS, _SCAN_SECONDS)
        self._next_scan_at = 0.0
        self._room_after = ""
        self._member_after = MemberKey("")

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._poll_work()

    async def on_lanes_acquired(self, _: Mapping[int, bool]) -> None:
        """Start a new scan of all rows at once: the lanes may have work that is not queued."""
        self._room_after, self._member_after = "", MemberKey("")
        self._next_scan_at = 0.0
        self._dirty_keys.wake_poller()

    async def _poll_work(self) -> None:
        """Wait until woken or until the next scan is due, then find and queue work."""
        await self._dirty_keys.wait_for_wakeup(max(0.0, self._next_scan_at - time.monotonic()))
        self._enqueue(*self._dirty_keys.drain_committed())
        try:
            await self._poll_stale()
            if time.monotonic() >= self._next_scan_at:
                await self._scan()
        except Exception as error:
            if not errors.is_transient(error):
                raise
            if not self._backoff.failing:
                log.info("pending work query failed", error=type(error).__name__)
            self._next_scan_at = time.monotonic() + self._backoff.next_wait()

    async def _poll_stale(self) -> None:
        """Read the stale keys again, most of them after a failure, and queue their remaining work."""
        keys = self._dirty_keys.drain_stale()
        if not keys:
            return
        async with self._pool.acquire() as connection:
            rooms, members = await store.find_work(connection, keys)
        self._enqueue(rooms, members)

    async def _scan(self) -> None:
        """Count all pending work and queue its next page; scan the page after it at once if work was new."""
        self._next_scan_at = time.monotonic() + _SCAN_SECONDS
        lanes = self._lease.valid_lanes()
        if not lanes:
            # The owners of the lanes count the work of all of them; the last count here would look current.
            self._metrics.unfinished.set(0)
            return
        is_new = False
        async with self._pool.acquire() as connection:
            # Also while the queue is full: that is when much is unfinished.
            self._metrics.unfinished.set(await store.count_out_of_sync(connection))
            if len(self._queue) < _PAGE_SIZE:
                is_new = self._enqueue(*await self._next_page(connection, lanes))
        if self._backoff.failing:
            log.info("pending work query recovered")
        self._backoff.reset()
        if is_new and (self._room_after or self._member_after.room_id):
            self._next_scan_at = 0.0

    async def _next_page(
        self, connection: Connection, lanes: list[int]
    ) -> tuple[list[Room], list[MemberInRoom]]:
        rooms = await store.rooms_to_delete(connection, lanes, self._room_after, _PAGE_SIZE)
        members = await store.members_out_of_sync(connection, lanes, self._member_after, _PAGE_SIZE)
        self._room_after = rooms[-1].room_id if len(rooms) == _PAGE_SIZE else ""
        self._member_after = members[-1].key if len(members) == _PAGE_SIZE else MemberKey("")
        return rooms, members

    def _enqueue(self, rooms: Iterable[Room], members: Iterable[MemberInRoom]) -> bool:
        """Queue the work; return whether any of it is new."""
        return self._queue.add_items([*map(WorkItem, rooms), *map(work_queue.item_for, members)])
