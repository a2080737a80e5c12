"""Counters for the library `limits`, in memory."""

import time

from cachetools import TTLCache
from limits.storage import Storage

_MAX_COUNTERS = 100_000
_SECONDS = 60


class MinuteCounters(Storage):
    """Counters that live for a minute each; beyond a bound the oldest is dropped.

    The library's own storage in memory starts a thread every 10 ms, and blocks the event loop for it.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        # Each has its count and its end, and keeps its place when it is counted.
        self._counters: TTLCache[str, list[float]] = TTLCache(_MAX_COUNTERS, _SECONDS, time.time)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Return the storage's own errors: there are none."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: ARG002 - a minute, always
        """Count, and return the count of this minute."""
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = [0, time.time() + _SECONDS]
        counter[0] += amount
        return int(counter[0])

    def get(self, key: str) -> int:
        """Return the count of this minute."""
        counter = self._counters.get(key)
        return 0 if counter is None else int(counter[0])

    def get_expiry(self, key: str) -> float:
        """Return the time at which the count begins again, in seconds since the epoch."""
        counter = self._counters.get(key)
        return time.time() if counter is None else counter[1]

    def check(self) -> bool:
        """Return whether the storage works."""
        return True

    def reset(self) -> int:
        """Drop all counters, and return how many there were."""
        count = len(self._counters)
        self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        """Drop a counter."""
        self._counters.pop(key, None)
