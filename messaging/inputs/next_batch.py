"""The batch that is collected while the batches before it are published."""

import math
import time
from collections.abc import Iterable

from aiokafka import ConsumerRecord

from messaging.inputs import record_size

_MANY_RECORDS = 1000
_MANY_BYTES = 1024 * 1024
"""A batch with this number of records or bytes does not wait for the batches before."""
_LONGEST_WAIT_SECONDS = 0.04
"""The first record of a batch waits for the batches before it no longer than this, or cores would idle."""


class NextBatch:
    """Fetched records that are not handled yet. A batch of `max_records` does not wait."""

    def __init__(self, max_records: int) -> None:
        self.records: list[ConsumerRecord] = []
        self._many_records = min(_MANY_RECORDS, max_records)
        self._bytes = 0
        self._due_at = math.inf

    def add(self, records: Iterable[ConsumerRecord]) -> None:
        """Add records; the first of all begin the wait."""
        before = len(self.records)
        self.records += records
        if self.records:
            self._due_at = min(self._due_at, time.monotonic() + _LONGEST_WAIT_SECONDS)
        if len(self.records) < self._many_records:
            self._bytes += sum(map(record_size.byte_size, self.records[before:]))

    def end_wait(self) -> None:
        """Let the batch wait no longer."""
        self._due_at = 0

    @property
    def is_due(self) -> bool:
        """Whether its records are many, or have waited for long enough."""
        return (
            len(self.records) >= self._many_records
            or self._bytes >= _MANY_BYTES
            or time.monotonic() >= self._due_at
        )

    @property
    def seconds_left(self) -> float:
        """The time that the batch may still wait."""
        return self._due_at - time.monotonic()
