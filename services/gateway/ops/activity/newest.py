"""The newest of what was read, by time on the broker."""

import bisect
from typing import Any, Generic, TypeVar

TimedT = TypeVar("TimedT")


class Newest(Generic[TimedT]):
    """At most `limit` items with a `timestamp`. Those of one time are in the order in which they came."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: list[TimedT] = []

    def add_item(self, item: TimedT) -> None:
        """Add an item, unless there are enough that are newer."""
        is_full = len(self._items) == self._limit
        if is_full and _time_of(item) < _time_of(self._items[0]):
            return
        # Most items are the newest, so that they go to the end.
        bisect.insort(self._items, item, key=_time_of)
        if is_full:
            del self._items[0]

    def newest_first(self) -> list[TimedT]:
        """Return the items."""
        return self._items[::-1]


def _time_of(item: Any) -> int:
    return int(item.timestamp)
