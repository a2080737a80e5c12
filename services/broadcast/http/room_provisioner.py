"""Create LiveKit rooms on request, with one call for many concurrent requests."""

import asyncio

import asyncpg
import structlog

from cohost_schemas import ids, topics
from cohost_schemas.signals import RoomMade
from messaging.errors import NotConfirmed
from messaging.producer import AtLeastOnceProducer
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.livekit.client import CallFailed, LiveKitClient

_MAX_CALLS = 16

log = structlog.get_logger()


class RoomProvisioner:
    """Creates LiveKit rooms, which outlive a join token and an absence of `departure_seconds`.

    A room has one call at a time. Requests that arrive during a call share the next one, which starts after
    them: the effect of the present call may already have been undone by a deletion.
    """

    def __init__(
        self,
        livekit: LiveKitClient,
        pool: asyncpg.Pool,
        producer: AtLeastOnceProducer,
        departure_seconds: int,
    ) -> None:
        self._livekit = livekit
        self._pool = pool
        self._producer = producer
        self._departure_seconds = departure_seconds
        self._call_slots = asyncio.Semaphore(_MAX_CALLS)
        self._next_calls: dict[str, asyncio.Task[Stage | None]] = {}
        self._call_locks: dict[str, asyncio.Lock] = {}
        self._delayed_reports: dict[str, asyncio.Task[None]] = {}

    async def ensure_room(self, room_id: str) -> Stage | None:
        """Make sure that the LiveKit room exists; return the stage after that, None for an unknown room.

        Raises `CallFailed`.
        """
        if room_id not in self._next_calls:
            task = asyncio.create_task(self._create_room(room_id))
            # Retrieve the error even if all requests were cancelled before, or asyncio logs it as lost.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._next_calls[room_id] = task
        return await asyncio.shield(self._next_calls[room_id])

    async def _create_room(self, room_id: str) -> Stage | None:
        call_lock = self._call_locks.setdefault(room_id, asyncio.Lock())
        try:
            async with call_lock, self._call_slots:
                del self._next_calls[room_id]
                await self._livekit.create_room(room_id, self._departure_seconds)
        except CallFailed as error:
            if error.outcome_unknown and room_id not in self._delayed_reports:
                self._delayed_reports[room_id] = asyncio.create_task(self._report_after_timeout(room_id))
            raise
        finally:
            if room_id not in self._next_calls:
                self._call_locks.pop(room_id, None)
        # The room may have closed, and its LiveKit room been deleted, before this call created it again.
        async with self._pool.acquire() as connection:
            current = (await store.load_stages(connection, [room_id])).get(room_id)
        if current is not None and not current.room.is_open:
            await self._report_room(room_id)
        return current

    async def _report_after_timeout(self, room_id: str) -> None:
        """Report a room that a call without an answer may have created after the room closed."""
        await asyncio.sleep(self._livekit.timeout_seconds)
        del self._delayed_reports[room_id]
        await self._report_room(room_id)

    async def _report_room(self, room_id: str) -> None:
        """Write `RoomMade`, so that the room's lane decides: the room may have opened again by now."""
        try:
            await self._producer.send_message(
                topics.BROADCAST_SIGNALS, ids.uuid7(), RoomMade(room_id=room_id), room_id
            )
        except NotConfirmed:
            log.info("room report not written, left to the resync")
