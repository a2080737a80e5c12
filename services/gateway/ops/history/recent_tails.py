"""A cache of rooms' newest records: for a console that asks every second the log is read once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

from services.gateway.ops.history.room_tails import PartitionTail

_MAX_BYTES = 16 * 1024 * 1024
_MAX_AGE_SECONDS = 60.0
_RECORD_OVERHEAD_BYTES = 1_000


class RoomTails:
    """The tails of a room's partitions, none before they are read. Hold the lock to use them."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.tails: Sequence[PartitionTail] = ()
        self.is_cut = False
        """Whether bounds have ended the search into the past: it does not go on without being asked to."""
        self.size = 0
        self._checked_at = time.monotonic()

    @property
    def age(self) -> float:
        """The seconds since the ends of the log were last asked for."""
        return time.monotonic() - self._checked_at

    def begin(self, tails: Sequence[PartitionTail]) -> None:
        """Begin with tails of which nothing is read."""
        self.tails, self.is_cut = tails, False

    def mark_checked(self) -> None:
        """Note that the tails reach to the present ends of the log."""
        self._checked_at = time.monotonic()

    def trim(self, limit: int) -> None:
        """Keep at most `limit` records of each tail."""
        for tail in self.tails:
            tail.forget_oldest(limit)
        values = [record.value or b"" for tail in self.tails for record in tail.found]
        self.size = sum(map(len, values)) + _RECORD_OVERHEAD_BYTES * len(values)


class RecentTails:
    """The tails of the rooms that were asked for last, in bounded memory."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, RoomTails] = OrderedDict()

    def of_room(self, room_id: str) -> RoomTails:
        """Return what is kept of a room, and drop what is old or too much of others."""
        room = self._rooms.pop(room_id, None)
        if room is None or room.age > _MAX_AGE_SECONDS:
            room = RoomTails()
        self._rooms[room_id] = room
        total = 0
        for other_id, other in reversed(list(self._rooms.items())):
            total += other.size
            if total > _MAX_BYTES or other.age > _MAX_AGE_SECONDS:
                del self._rooms[other_id]
        return room

    def forget(self) -> None:
        """Drop everything: what may be read has changed."""
        self._rooms.clear()
