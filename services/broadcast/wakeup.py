"""How the worker tells the reconciler that there may be something to do, without waiting for it."""

import asyncio
from collections.abc import Iterable, Mapping

Key = tuple[str, str]
"""A room and one of its users; for the room itself the user is empty."""


class Wakeup:
    """What was saved, and is perhaps not committed yet, since the reconciler last looked."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._expected: dict[Key, int] = {}
        self._again: set[Key] = set()

    def ring(self, versions: Iterable[tuple[Key, int]] = ()) -> None:
        """Ask for a look, which should find these keys at these versions or newer ones."""
        self._expected.update(versions)
        self._rung.set()

    def again(self, key: Key) -> None:
        """Ask for a look at a key as it then is: what was known of it may be out of date."""
        self._again.add(key)
        self._rung.set()

    def take_again(self) -> set[Key]:
        """Return the keys to look at again, which from now on are asked for no more."""
        again, self._again = self._again, set()
        return again

    def found(self, key: Key, version: int) -> None:
        """Note that a look came upon a key."""
        if self._expected.get(key, version + 1) <= version:
            del self._expected[key]

    def give_up(self, versions: Mapping[Key, int]) -> None:
        """Expect these no more: what was saved was rolled back, or is done already."""
        for key, version in versions.items():
            self.found(key, version)

    def expected(self) -> dict[Key, int]:
        """Return the keys that were saved and that no look has found, with their versions."""
        return dict(self._expected)

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, but no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
