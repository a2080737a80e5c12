"""Cached state of the lanes that a worker owns."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

StateT = TypeVar("StateT")


class LaneCache(Mapping[str, StateT]):
    """States by key, for example by room, each in its lane; the least recently used comes first.

    A state that the last two batches used is never evicted: the last batch may still be decided, and the one
    before it may not be committed yet, so that Postgres does not have its changes. (An evicting map such as
    `cachetools.LRUCache` would drop it on the next insert.) The cache holds at most `max_weight` beyond these
    states. `weigh` returns a state's weight, by default 1; it is asked once for each batch that used a state,
    because states change in place.
    """

    def __init__(self, max_weight: int, weigh: Callable[[StateT], int] = lambda _: 1) -> None:
        self.max_weight = max_weight
        self.batch = 0
        """The number of the batch that uses the cache now."""
        self._weigh = weigh
        self._entries: OrderedDict[str, _Entry[StateT]] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> StateT:
        return self._entries[key].state

    def mark_used(self, keys: Iterable[str]) -> list[str]:
        """Mark states as used by the batch; return the keys that are not cached."""
        entries, batch = self._entries, self.batch
        missing = []
        for key in keys:
            entry = entries.get(key)
            if entry is None:
                missing.append(key)
            else:
                entry.batch = batch
                entries.move_to_end(key)
        return missing

    def put(self, key: str, lane: int, state: StateT) -> None:
        """Add or replace the state of a key, which the batch uses."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(lane, state, self.batch)
        else:
            entry.lane, entry.state, entry.batch = lane, state, self.batch
            self._entries.move_to_end(key)

    def discard(self, key: str) -> None:
        """Drop the state of a key, if it is cached."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight

    def end_batch(self) -> None:
        """Evict what exceeds the limit, the least recently used first; then the next batch begins."""
        for entry in reversed(self._entries.values()):
            if entry.batch != self.batch:
                break
            weight = self._weigh(entry.state)
            self._weight += weight - entry.weight
            entry.weight = weight
        while self._weight > self.max_weight and self._evict_oldest():
            pass
        self.batch += 1

    def _evict_oldest(self) -> bool:
        key, entry = next(iter(self._entries.items()))
        if entry.batch >= self.batch - 1:
            return False
        self.discard(key)
        return True

    def drop_lanes(self, lanes: Collection[int]) -> None:
        """Drop all states of these lanes, even those just used, because they may differ from Postgres."""
        for key in [key for key, entry in self._entries.items() if entry.lane in lanes]:
            self.discard(key)


class _Entry(Generic[StateT]):
    """A state, its lane, the batch that used it last, and its share of the cache's weight."""

    __slots__ = ("batch", "lane", "state", "weight")

    def __init__(self, lane: int, state: StateT, batch: int) -> None:
        self.lane = lane
        self.state = state
        self.batch = batch
        self.weight = 0
