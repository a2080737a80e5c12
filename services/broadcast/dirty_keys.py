"""Keys with work that was just committed, handed to the poller in memory."""

import asyncio
from collections.abc import Iterable

from services.broadcast.batch_changes import MemberInRoom
from services.broadcast.domain.state import MemberKey, Room


class DirtyKeys:
    """Work that was committed since the last poll, and keys to read again from Postgres."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._rooms: dict[str, Room] = {}
        self._members: dict[MemberKey, MemberInRoom] = {}
        self._stale: set[MemberKey] = set()

    def wake_poller(self, rooms: Iterable[Room] = (), members: Iterable[MemberInRoom] = ()) -> None:
        """Add rooms and members in the state that was just committed, and wake the poller."""
        self._rooms.update((room.room_id, room) for room in rooms)
        self._members.update((each.key, each) for each in members)
        self._woken.set()

    def drain_committed(self) -> tuple[list[Room], list[MemberInRoom]]:
        """Return and forget the committed rooms to delete, and the committed members with work."""
        rooms, members = list(self._rooms.values()), list(self._members.values())
        self._rooms.clear()
        self._members.clear()
        return rooms, members

    def mark_stale(self, key: MemberKey) -> None:
        """Request that the poller reads a key from Postgres again: its state in memory may be outdated."""
        self._stale.add(key)
        self._woken.set()

    def drain_stale(self) -> list[MemberKey]:
        """Return and forget the keys to read again."""
        stale = list(self._stale)
        self._stale.clear()
        return stale

    async def wait_for_wakeup(self, seconds: float) -> None:
        """Wait until the poller is woken, at most this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()
