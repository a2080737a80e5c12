"""How the worker tells the reconciler that there is something to do, without waiting for it."""

import asyncio
from collections.abc import Iterable

from services.broadcast.state import Room
from services.broadcast.store import Pending

Key = tuple[str, str]
"""A room and one of its users; for the room itself the user is empty."""


class Wakeup:
    """What was committed since the reconciler last looked, and what is to be read again."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._rooms: dict[str, Room] = {}
        self._members: dict[Key, Pending] = {}
        self._again: set[Key] = set()

    def ring(self, rooms: Iterable[Room] = (), members: Iterable[Pending] = ()) -> None:
        """Ask for a look, above all at these, which are committed as they are here."""
        self._rooms.update((room.room_id, room) for room in rooms)
        self._members.update(((each.room.room_id, each.member.user_id), each) for each in members)
        self._rung.set()

    def take(self) -> tuple[list[Room], list[Pending]]:
        """Return the rooms to be deleted, and the members, that were committed since this was last called."""
        rooms, members = list(self._rooms.values()), list(self._members.values())
        self._rooms.clear()
        self._members.clear()
        return rooms, members

    def again(self, key: Key) -> None:
        """Ask for a look at a key as it then is: what was known of it may be out of date."""
        self._again.add(key)
        self._rung.set()

    def take_again(self) -> list[Key]:
        """Return the keys to look at again, which from now on are asked for no more."""
        again = list(self._again)
        self._again.clear()
        return again

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, but no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
