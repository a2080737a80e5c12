"""Makes LiveKit rooms for those who ask, however many of them there are."""

import asyncio

import asyncpg
import structlog

from messaging import ids
from messaging.errors import Unavailable
from messaging.producer import Producer
from schemas import topics
from schemas.signals import RoomMade
from services.broadcast import store
from services.broadcast.livekit import CallFailed, LiveKit
from services.broadcast.state import Stage

_AT_ONCE = 16

log = structlog.get_logger()


class Creation:
    """Makes LiveKit rooms, which outlive a token and an absence of `departure_seconds`.

    A room has one call at a time. Who asks meanwhile shares the next one, which begins after they asked: what
    is under way may have been done, and undone, before.
    """

    def __init__(
        self, livekit: LiveKit, pool: asyncpg.Pool, producer: Producer, departure_seconds: int
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
        """Make sure that there is a room, and return the stage as it then is. Raises `CallFailed`."""
        if room_id not in self._waiting:
            task = asyncio.create_task(self._make(room_id))
            # All who asked may have gone away before it fails.
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
        # It may have closed, and its LiveKit room been deleted, before this one was made.
        async with self._pool.acquire() as connection:
            present = (await store.load(connection, [room_id])).get(room_id)
        if present is not None and not present.room.open:
            await self._tell(room_id)
        return present

    async def _doubt(self, room_id: str) -> None:
        """Have a room deleted that closed before a call without an answer made it."""
        await asyncio.sleep(self._livekit.seconds)
        del self._doubts[room_id]
        await self._tell(room_id)

    async def _tell(self, room_id: str) -> None:
        """Have the room's lane decide: it may have opened again by now."""
        try:
            await self._producer.send(
                topics.BROADCAST_SIGNALS, ids.uuid7(), RoomMade(room_id=room_id), room_id
            )
        except Unavailable:
            log.info("a room is left to the comparison")
