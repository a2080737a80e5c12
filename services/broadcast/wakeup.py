"""Keys with committed work for the reconciler, handed over without waiting for it."""

import asyncio
from collections.abc import Iterable

from services.broadcast.state import Room
from services.broadcast.store import Pending

Key = tuple[str, str]
"""A room id and a user id; the user id is empty for the room itself."""


class Wakeup:
    """Work that was committed since the last poll, and keys to read again from Postgres."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._rooms: dict[str, Room] = {}
        self._members: dict[Key, Pending] = {}
        self._again: set[Key] = set()

    def ring(self, rooms: Iterable[Room] = (), members: Iterable[Pending] = ()) -> None:
        """Wake the poller; the rooms and members given were just committed as they are."""
        self._rooms.update((room.room_id, room) for room in rooms)
        self._members.update(((each.room.room_id, each.member.user_id), each) for each in members)
        self._rung.set()

    def take(self) -> tuple[list[Room], list[Pending]]:
        """Return and forget the committed rooms to delete, and the committed members with work."""
        rooms, members = list(self._rooms.values()), list(self._members.values())
        self._rooms.clear()
        self._members.clear()
        return rooms, members

    def again(self, key: Key) -> None:
        """Have a key read again from Postgres: what memory has of it may be out of date."""
        self._again.add(key)
        self._rung.set()

    def take_again(self) -> list[Key]:
        """Return and forget the keys to read again."""
        again = list(self._again)
        self._again.clear()
        return again

    async def wait(self, seconds: float) -> None:
        """Wait until the poller is woken, at most this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
