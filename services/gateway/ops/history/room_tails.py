"""A room's records at the ends of its partitions, and their merge by time, newest first."""

import math
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from cohost_schemas import envelope
from cohost_schemas.envelope import NotACloudEvent
from cohost_schemas.topics import Topic

# A guess that is too large, so that the first chunk is small; each chunk may correct it by the factor.
_FIRST_BYTES_PER_OFFSET = 16 * 1024
_MAX_CORRECTION = 4

Range = tuple[int, int]


class RoomFilter:
    """Selects a room's records: by key, on `badges` by the key's first part, without a key by subject."""

    def __init__(self, room_id: str, *, has_badge_keys: bool) -> None:
        self._room_id = room_id
        self._key = room_id.encode()
        self._badge_prefix = self._key + b"/" if has_badge_keys else None

    def is_of_room(self, record: Any) -> bool:
        """Return whether a record is one of the room."""
        if record.key is None:
            return self._key in (record.value or b"") and self._has_subject(record)
        if self._badge_prefix is not None:
            return bool(record.key.startswith(self._badge_prefix))
        return bool(record.key == self._key)

    def _has_subject(self, record: Any) -> bool:
        try:
            return envelope.decode_event(record.value, record.headers).subject == self._room_id
        except NotACloudEvent:
            return False


class PartitionTail:
    """A room's records in one partition from `frontier` to `end`; what is before is not searched yet.

    `rank` orders records of one time: what follows from others has a higher one.
    """

    def __init__(
        self, topic: Topic, partition: TopicPartition, rank: int, bounds: Range, room: RoomFilter
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.rank = rank
        self.begin, self.end = bounds
        self.frontier = self.end
        self.found: list[Any] = []
        self._frontier_ms = math.inf
        self._room = room
        self._bytes_per_offset = float(_FIRST_BYTES_PER_OFFSET)

    @property
    def is_exhausted(self) -> bool:
        """Return whether everything down to the log's beginning was searched."""
        return self.frontier <= self.begin

    @property
    def frontier_ms(self) -> float:
        """The time about which what is before was written, or earlier."""
        return self._frontier_ms

    def next_range(self, max_bytes: int) -> Range:
        """Return the offsets to search next, before the frontier: about `max_bytes`, as far as is known."""
        offsets = max(1, int(max_bytes / self._bytes_per_offset))
        return max(self.begin, self.frontier - offsets), self.frontier

    def select(self, records: Sequence[Any]) -> list[Any]:
        """Return the room's records among these."""
        return [record for record in records if self._room.is_of_room(record)]

    def add_older(self, start: int, found: list[Any], oldest_ms: float | None, size: int) -> None:
        """Add the room's records from `start` to the frontier; `size` is that of all records there."""
        # Most offsets of a compacted topic have no record.
        self._bytes_per_offset = max(size / (self.frontier - start), self._bytes_per_offset / _MAX_CORRECTION)
        self.found[:0] = found
        self.frontier = start
        if oldest_ms is not None:
            self._frontier_ms = oldest_ms

    def note_size(self, size: int, count: int) -> None:
        """Note that this many records were too large to be searched at once."""
        self._bytes_per_offset = size / count

    def add_newer(self, end: int, found: list[Any]) -> None:
        """Add the room's records from the end to a new end."""
        self.found.extend(found)
        self.end = end

    def forget_oldest(self, limit: int) -> None:
        """Keep at most `limit` records, and search for the others again when they are needed."""
        if len(self.found) > limit:
            self.found = self.found[-limit:]
            self.frontier = self.found[0].offset
            self._frontier_ms = self.found[0].timestamp


class BackwardMerge:
    """The newest records of several tails, at most `limit`, and about `max_bytes`.

    Within a partition they keep the log's order, between partitions the later one is newer.
    """

    def __init__(self, tails: Sequence[PartitionTail], limit: int, max_bytes: int) -> None:
        self.tails = tails
        self._limit = limit
        self._max_bytes = max_bytes
        self._taken = dict.fromkeys(tails, 0)
        self.records: list[Any] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Return whether there are enough records."""
        return len(self.records) >= self._limit or self._bytes >= self._max_bytes

    @property
    def has_all(self) -> bool:
        """Return whether there is no record before the ones that are taken."""
        return all(tail.is_exhausted and not self._left(tail) for tail in self.tails)

    def take_records(self) -> list[PartitionTail]:
        """Take the records that are certain to be next; return the tails that must be searched for more."""
        while not self.is_full:
            open_tails = [tail for tail in self.tails if self._left(tail) or not tail.is_exhausted]
            if not open_tails:
                return []
            newest = max(open_tails, key=self._newest_of)
            if not self._left(newest):
                known = [self._newest_of(tail) for tail in open_tails if self._left(tail)]
                return [
                    tail
                    for tail in open_tails
                    if not self._left(tail) and self._newest_of(tail) > max(known, default=(0, 0))
                ]
            self._take_from(newest)
        return []

    def offsets(self) -> list[int]:
        """Return for each tail the offset before which no record is taken."""
        return [self._next_of(tail).offset + 1 if self._left(tail) else tail.frontier for tail in self.tails]

    def _take_from(self, tail: PartitionTail) -> None:
        record = self._next_of(tail)
        self._taken[tail] += 1
        self.records.append(record)
        self._bytes += len(record.value or b"")

    def _left(self, tail: PartitionTail) -> int:
        return len(tail.found) - self._taken[tail]

    def _next_of(self, tail: PartitionTail) -> Any:
        return tail.found[self._left(tail) - 1]

    def _newest_of(self, tail: PartitionTail) -> tuple[float, int]:
        time = self._next_of(tail).timestamp if self._left(tail) else tail.frontier_ms
        return time, tail.rank
