"""When which room is looked at: each once in a period, spread over it, and sooner where somebody asks."""

import math
import random
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

_FIRST_RETRY = 2.0
_LEAST = 0.9
"""How much of a period passes at least between two looks: rooms that fell into step come apart again."""


class Rota:
    """The next look at each room. `clock` is monotonic, in seconds; so is the period."""

    def __init__(self, clock: Callable[[], float], period: float) -> None:
        self._clock = clock
        self._period = period
        self._due: dict[str, float] = {}
        self._spread: set[str] = set()
        self._asked: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._repeated_at = 0.0

    def start_over(self, repeat_after: float) -> None:
        """Forget all rooms: those that are found next are looked at at once, and again after this time."""
        for memory in (self._due, self._spread, self._asked, self._failures):
            memory.clear()
        self._repeated_at = self._clock() + repeat_after

    def found(self, room_ids: AbstractSet[str]) -> None:
        """Take over which rooms there are; new ones are looked at at once."""
        now = self._clock()
        for room_id in self._due.keys() - room_ids:
            self._forget(room_id)
        for room_id in room_ids - self._due.keys():
            self._due[room_id] = now
            if now < self._repeated_at:
                self._ask(room_id, self._repeated_at)

    def ask(self, room_ids: Iterable[str], seconds: float) -> None:
        """Have rooms looked at after this time; the latest such wish of a room counts."""
        for room_id in room_ids:
            self._ask(room_id, self._clock() + seconds)

    def hurry(self, room_id: str) -> None:
        """Have a room looked at at once."""
        self._due[room_id] = min(self._clock(), self._due.get(room_id, math.inf))

    def turns(self, limit: int) -> list[str]:
        """Return rooms whose turn it is, the longest waiting first; what becomes of each is to be said."""
        now = self._clock()
        waiting = {room_id: at for room_id, at in self._due.items() if at <= now}
        waiting |= {room_id: at for room_id, at in self._asked.items() if at <= now}
        chosen = sorted(waiting, key=waiting.__getitem__)[:limit]
        for room_id in chosen:
            if self._asked.get(room_id, now + 1) <= now:
                del self._asked[room_id]
        return chosen

    def looked(self, room_id: str) -> None:
        """Note that a room was looked at. Its second look comes at any moment of the next period."""
        self._failures.pop(room_id, None)
        if room_id not in self._due:
            return
        least = _LEAST if room_id in self._spread else 0.0
        self._spread.add(room_id)
        rest = self._period * random.uniform(least, 1.0)  # noqa: S311 - spread
        self._due[room_id] = self._clock() + rest

    def failed(self, room_id: str) -> None:
        """Note that a room could not be looked at: it is tried again, later each time."""
        failures = self._failures.get(room_id, 0)
        self._failures[room_id] = failures + 1
        rest = min(self._period, _FIRST_RETRY * 2.0 ** min(failures, 10))
        again = self._clock() + rest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        if room_id in self._due:
            self._due[room_id] = again
        else:
            self._ask(room_id, again)

    def skip(self, room_id: str) -> None:
        """Note that a room is none of ours."""
        self._forget(room_id)
        self._asked.pop(room_id, None)

    def wait(self) -> float:
        """Return after how many seconds it is the next room's turn."""
        at = min([*self._due.values(), *self._asked.values()], default=self._clock() + self._period)
        return max(0.0, at - self._clock())

    def _ask(self, room_id: str, at: float) -> None:
        self._asked[room_id] = max(at, self._asked.get(room_id, at))

    def _forget(self, room_id: str) -> None:
        self._due.pop(room_id, None)
        self._spread.discard(room_id)
        self._failures.pop(room_id, None)
