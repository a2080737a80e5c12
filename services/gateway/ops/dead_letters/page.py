"""One page of dead letters, merged from the ends of all partitions backwards."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cohost_schemas.ops.dead_letters import DeadLetter
from services.gateway.ops.dead_letters.letter_log import LetterPartition, OffsetRange


class ListedLetter(NamedTuple):
    """A dead letter, its offset, and when it was written, in milliseconds since the epoch."""

    written_ms: int
    offset: int
    letter: DeadLetter


class _Tail:
    """The rest of a partition that a page has not taken: what was read, newest last, and all before it."""

    def __init__(self, offsets: OffsetRange) -> None:
        self.unread = offsets
        self.read: list[ListedLetter] = []

    @property
    def is_unknown(self) -> bool:
        """Return whether the newest dead letter that is left has not been read."""
        return not self.read and self.unread.end > self.unread.begin

    @property
    def end(self) -> int:
        """The offset before which the next page goes on; the beginning if nothing is left."""
        return self.read[-1].offset + 1 if self.read else self.unread.end


class Page:
    """A page of dead letters, newest first.

    Within a partition the log's order decides, between partitions the time of writing. So the next dead
    letter is known only once every partition's newest one is.
    """

    def __init__(self, bounds: Mapping[LetterPartition, OffsetRange], limit: int) -> None:
        self._tails = {partition: _Tail(offsets) for partition, offsets in bounds.items()}
        self._limit = limit
        self.items: list[DeadLetter] = []

    def missing_ranges(self, size: int) -> dict[LetterPartition, OffsetRange]:
        """Return the offsets to read before the page can go on, at most `size` of each partition."""
        if len(self.items) == self._limit:
            return {}
        return {
            partition: OffsetRange(max(tail.unread.begin, tail.unread.end - size), tail.unread.end)
            for partition, tail in self._tails.items()
            if tail.is_unknown
        }

    def add_read(
        self,
        ranges: Mapping[LetterPartition, OffsetRange],
        read: Mapping[LetterPartition, Sequence[ListedLetter]],
    ) -> None:
        """Add what was read of missing ranges, and take the newest dead letters as far as they are known."""
        for partition, offsets in ranges.items():
            tail = self._tails[partition]
            tail.unread = OffsetRange(tail.unread.begin, offsets.begin)
            tail.read = list(read[partition])
        while len(self.items) < self._limit and not any(tail.is_unknown for tail in self._tails.values()):
            with_letters = [(partition, tail) for partition, tail in self._tails.items() if tail.read]
            if not with_letters:
                return
            _, newest = max(with_letters, key=lambda entry: (entry[1].read[-1].written_ms, entry[0]))
            self.items.append(newest.read.pop().letter)

    def ends(self) -> dict[LetterPartition, int]:
        """Return the offsets before which the next page goes on; none of partitions that have no more."""
        return {
            partition: tail.end for partition, tail in self._tails.items() if tail.end > tail.unread.begin
        }
