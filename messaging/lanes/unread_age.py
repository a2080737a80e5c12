"""The age of the oldest unread record of an input, measured by when the log's end passed the position."""

import time
from collections.abc import Callable

from aiokafka import TopicPartition

_MAX_ENDS = 200


class UnreadAges:
    """Remembers when each partition's log had which end.

    The timestamp of the oldest unread record would say the same, but behind an open transaction no record is
    delivered that has one: the high watermark moves on, and the last stable offset stands still. After a
    start, ages count from the first look at the log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[TopicPartition, list[tuple[int, float]]] = {}

    def measure(self, partition: TopicPartition, position: int, end_offset: int) -> float:
        """Return the seconds for which the log has had a record at or after the position, 0.0 if it has none.

        Call it about once a second with the partition's current position and high watermark.
        """
        now = self._clock()
        # An end that moved backwards is of a log that was truncated.
        ends = [(end, at) for end, at in self._ends.get(partition, ()) if position < end <= end_offset]
        if position < end_offset and (not ends or ends[-1][0] < end_offset):
            ends.append((end_offset, now))
        if len(ends) > _MAX_ENDS:
            # The oldest end decides: leaving out every other one makes later ages a little too small.
            ends = ends[::2]
        self._ends[partition] = ends
        return now - ends[0][1] if ends else 0.0
