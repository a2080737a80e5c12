"""Makes LiveKit rooms for those who ask, however many of them there are."""

import asyncio

from services.broadcast.livekit import LiveKit

_AT_ONCE = 16


class Creation:
    """Makes LiveKit rooms, which outlive a token and an absence of `departure_seconds`.

    A room has one call at a time. Who asks meanwhile shares the next one, which begins after they asked: what
    is under way may have been done, and undone, before.
    """

    def __init__(self, livekit: LiveKit, departure_seconds: int) -> None:
        self._livekit = livekit
        self._departure_seconds = departure_seconds
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._calling: dict[str, asyncio.Lock] = {}

    async def make(self, room_id: str) -> None:
        """Make sure that there is a room. Raises `CallFailed`."""
        if room_id not in self._waiting:
            task = asyncio.create_task(self._make(room_id))
            # All who asked may have gone away before it fails.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._waiting[room_id] = task
        await asyncio.shield(self._waiting[room_id])

    async def _make(self, room_id: str) -> None:
        calling = self._calling.setdefault(room_id, asyncio.Lock())
        try:
            async with calling, self._at_once:
                del self._waiting[room_id]
                await self._livekit.create_room(room_id, self._departure_seconds)
        finally:
            if room_id not in self._waiting:
                self._calling.pop(room_id, None)
