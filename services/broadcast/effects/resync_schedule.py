"""The schedule of room resyncs: each room once per period, some more often, and sooner on request."""

import math
import random
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from cohost.kafka.backoff import Backoff

_FIRST_RETRY_SECONDS = 2.0
_MIN_PERIOD_FRACTION = 0.9
"""The smallest part of a period between two resyncs; the rest is random, to spread rooms over the period."""


class ResyncSchedule:
    """The time of each room's next resync. `clock` is monotonic, in seconds; so are the periods.

    `short_period_seconds` is the period of the rooms that `set_frequent` names.
    """

    def __init__(
        self, clock: Callable[[], float], period_seconds: float, short_period_seconds: float
    ) -> None:
        self._clock = clock
        self._period_seconds = period_seconds
        self._short_period_seconds = min(short_period_seconds, period_seconds)
        self._due: dict[str, float] = {}
        self._frequent: frozenset[str] = frozenset()
        self._synced_at: dict[str, float] = {}
        self._spread: set[str] = set()
        self._requested: dict[str, float] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._repeat_at = 0.0

    def reset_schedule(self, repeat_after_seconds: float) -> None:
        """Drop all rooms; those that `set_rooms` adds next are due at once, and again after this time."""
        for rooms in (self._due, self._spread, self._requested, self._backoffs, self._synced_at):
            rooms.clear()
        self._frequent = frozenset()
        self._repeat_at = self._clock() + repeat_after_seconds

    def set_rooms(self, room_ids: AbstractSet[str]) -> None:
        """Keep these rooms and the frequent ones on the periodic schedule; new ones are due at once."""
        now = self._clock()
        for room_id in self._due.keys() - room_ids - self._frequent:
            self._drop_periodic(room_id)
        for room_id in room_ids - self._due.keys():
            self._add_room(room_id, now)
            if now < self._repeat_at:
                self._schedule(room_id, self._repeat_at)

    def set_frequent(self, room_ids: AbstractSet[str]) -> None:
        """Keep exactly these rooms on the short period; new ones are due at once."""
        now = self._clock()
        for room_id in room_ids - self._frequent:
            self._add_room(room_id, now)
        self._frequent = frozenset(room_ids)

    def schedule_after(self, room_ids: Iterable[str], seconds: float) -> None:
        """Schedule an extra resync of rooms after this many seconds; the latest request for a room counts."""
        for room_id in room_ids:
            self._schedule(room_id, self._clock() + seconds)

    def schedule_now(self, room_id: str) -> None:
        """Make a room due at once."""
        self._due[room_id] = min(self._clock(), self._due.get(room_id, math.inf))

    def take_due(self, limit: int) -> list[str]:
        """Return due rooms, the longest waiting first.

        Each must be followed by `mark_synced`, `mark_failed`, `schedule_now` or `drop_room`.
        """
        now = self._clock()
        waiting = {room_id: at for room_id, at in self._due.items() if at <= now}
        waiting |= {room_id: at for room_id, at in self._requested.items() if at <= now}
        chosen = sorted(waiting, key=waiting.__getitem__)[:limit]
        for room_id in chosen:
            if self._requested.get(room_id, now + 1) <= now:
                del self._requested[room_id]
        return chosen

    def mark_synced(self, room_id: str) -> None:
        """Schedule a resynced room's next turn; the second one comes at a random time in the period."""
        self._backoffs.pop(room_id, None)
        if room_id not in self._due:
            return
        self._synced_at[room_id] = self._clock()
        min_fraction = _MIN_PERIOD_FRACTION if room_id in self._spread else 0.0
        self._spread.add(room_id)
        period = self._short_period_seconds if room_id in self._frequent else self._period_seconds
        delay = period * random.uniform(min_fraction, 1.0)  # noqa: S311 - spread
        self._due[room_id] = self._clock() + delay

    def mark_failed(self, room_id: str) -> None:
        """Schedule the retry of a room that failed, with exponential back-off."""
        first_seconds = min(_FIRST_RETRY_SECONDS, self._period_seconds)
        backoff = self._backoffs.setdefault(room_id, Backoff(first_seconds, self._period_seconds))
        retry_at = self._clock() + backoff.next_wait()
        if room_id in self._due:
            self._due[room_id] = retry_at
        else:
            self._schedule(room_id, retry_at)

    def drop_room(self, room_id: str) -> None:
        """Drop a room of another worker's lane."""
        self._drop_periodic(room_id)
        self._requested.pop(room_id, None)

    def seconds_until_due(self) -> float:
        """Return the seconds until the next room is due."""
        at = min(
            [*self._due.values(), *self._requested.values()], default=self._clock() + self._period_seconds
        )
        return max(0.0, at - self._clock())

    def oldest_look_seconds(self) -> float:
        """Return how long ago the room with the oldest resync was resynced, or added if it never was."""
        return max(0.0, self._clock() - min(self._synced_at.values(), default=math.inf))

    def _add_room(self, room_id: str, now: float) -> None:
        self._due[room_id] = min(now, self._due.get(room_id, now))
        self._synced_at.setdefault(room_id, now)

    def _schedule(self, room_id: str, at: float) -> None:
        self._requested[room_id] = max(at, self._requested.get(room_id, at))

    def _drop_periodic(self, room_id: str) -> None:
        self._due.pop(room_id, None)
        self._synced_at.pop(room_id, None)
        self._spread.discard(room_id)
        self._backoffs.pop(room_id, None)
