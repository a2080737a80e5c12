"""The age of the oldest outbox batch, measured by when each was first seen as its lane's oldest."""

import time
from collections.abc import Callable, Mapping


class OutboxAges:
    """Remembers since when each lane has had the same oldest batch.

    No session knows it: while a batch cannot be published, one session after another ends.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_seen: dict[tuple[int, int], float] = {}

    def measure(self, oldest_batches: Mapping[int, int]) -> float:
        """Return the seconds for which a lane has had its oldest batch, or 0.0 if no lane has one.

        `oldest_batches` are numbers by lane. Call it regularly with what the outbox has now.
        """
        now = self._clock()
        self._first_seen = {batch: self._first_seen.get(batch, now) for batch in oldest_batches.items()}
        return now - min(self._first_seen.values(), default=now)
