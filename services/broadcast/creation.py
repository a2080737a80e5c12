"""Create LiveKit rooms on request, with one call for many concurrent requests."""

import asyncio

import asyncpg
import structlog

from messaging import ids
from messaging.errors import NotConfirmed
from messaging.producer import CloudEventProducer
from schemas import topics
from schemas.signals import RoomMade
from services.broadcast import store
from services.broadcast.livekit import CallFailed, LiveKit
from services.broadcast.state import Stage

_AT_ONCE = 16

log = structlog.get_logger()


class Creation:
    """Creates LiveKit rooms, which outlive a join token and an absence of `departure_seconds`.

    A room has one call at a time. Requests that arrive during a call share the next one, which starts after
    them: the effect of the present call may already have been undone by a deletion.
    """

    def __init__(
        self, livekit: LiveKit, pool: asyncpg.Pool, producer: CloudEventProducer, departure_seconds: int
    ) -> None:
        self._livekit = livekit
        self._pool = pool
        self._producer = producer
        self._departure_seconds = departure_seconds
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._waiting: dict[str, asyncio.Task[Stage | None]] = {}
        self._calling: dict[str, asyncio.Lock] = {}
        self._doubts: dict[str, asyncio.Task[None]] = {}

    async def make(self, room_id: str) -> Stage | None:
        """Make sure that the LiveKit room exists; return the stage after that, None for an unknown room.

        Raises `CallFailed`.
        """
        if room_id not in self._waiting:
            task = asyncio.create_task(self._make(room_id))
            # All requests may have been cancelled before it fails: retrieve the error anyway.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._waiting[room_id] = task
        return await asyncio.shield(self._waiting[room_id])

    async def _make(self, room_id: str) -> Stage | None:
        calling = self._calling.setdefault(room_id, asyncio.Lock())
        try:
            async with calling, self._at_once:
                del self._waiting[room_id]
                await self._livekit.create_room(room_id, self._departure_seconds)
        except CallFailed as error:
            if error.unknown and room_id not in self._doubts:
                self._doubts[room_id] = asyncio.create_task(self._doubt(room_id))
            raise
        finally:
            if room_id not in self._waiting:
                self._calling.pop(room_id, None)
        # The room may have closed, and its LiveKit room been deleted, before this call created it again.
        async with self._pool.acquire() as connection:
            present = (await store.load(connection, [room_id])).get(room_id)
        if present is not None and not present.room.open:
            await self._tell(room_id)
        return present

    async def _doubt(self, room_id: str) -> None:
        """Report a room that a call without an answer may have created after the room closed."""
        await asyncio.sleep(self._livekit.seconds)
        del self._doubts[room_id]
        await self._tell(room_id)

    async def _tell(self, room_id: str) -> None:
        """Write `RoomMade`, so that the room's lane decides: the room may have opened again by now."""
        try:
            await self._producer.send_message(
                topics.BROADCAST_SIGNALS, ids.uuid7(), RoomMade(room_id=room_id), room_id
            )
        except NotConfirmed:
            log.info("room report not written, left to the resync")
