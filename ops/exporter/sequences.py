"""The dense sequences of the partitions: a record is counted once, and a missing one is noticed."""

from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from cohost.audit.output_partition import sequence_header
from ops.exporter.metrics import LogMetrics


class SequenceCheck:
    """The last sequence of each partition.

    The first record read of a partition may have any sequence: those before it were deleted from the log.
    """

    def __init__(self, metrics: LogMetrics) -> None:
        self._metrics = metrics
        self._last_sequences: dict[TopicPartition, int] = {}

    def select_new(self, records: Sequence[Any]) -> list[Any]:
        """Return the records of a partition that were not read before; count the others and the missing."""
        return [record for record in records if self._is_new(record)]

    def _is_new(self, record: Any) -> bool:
        sequence = sequence_header(record.headers)
        if sequence is None:
            self._metrics.unreadable.labels(record.topic).inc()
            return False
        partition = TopicPartition(record.topic, record.partition)
        last = self._last_sequences.get(partition)
        if last is not None and sequence <= last:
            self._metrics.duplicates.labels(record.topic).inc()
            return False
        self._last_sequences[partition] = sequence
        if last is None:
            self._metrics.deleted.labels(record.topic).inc(sequence - 1)
        else:
            self._metrics.missing.labels(record.topic).inc(sequence - last - 1)
        self._metrics.records.labels(record.topic).inc()
        return True
