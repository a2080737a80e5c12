"""aiokafka's consumer with the reader of `record_batches`, and the same for every consumer of a process.

aiokafka's fetcher takes its classes from its module. A `BoundedConsumer` has a second, private instance of
that module, so that the other consumers of a program that uses the client stay as they are.
"""

import importlib.util
import weakref
from types import ModuleType
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher

from cohost.kafka import fetch_budget
from cohost.kafka.record_batches import BoundedRecords, OversizedOffset, OversizedRecord

# What a record takes beside its bytes.
_RECORD_OVERHEAD_BYTES = 500


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """aiokafka's iterator over the records that were fetched from a partition at `fetch_offset`."""

    def __init__(
        self,
        partition: TopicPartition,
        records: BoundedRecords,
        aborted_transactions: Any,
        fetch_offset: int,
        *options: Any,
    ) -> None:
        records.first_offset = fetch_offset
        super().__init__(partition, records, aborted_transactions, fetch_offset, *options)
        # Otherwise it holds itself, and what it has unpacked, until the garbage collector comes.
        self._records_iterator = type(self)._unpack_records(weakref.proxy(self))  # noqa: SLF001 - its own method

    def _consumer_record(self, partition: TopicPartition, record: Any) -> ConsumerRecord:
        if type(record) is OversizedOffset:
            return OversizedRecord(
                *(*partition, record.offset, record.timestamp, record.timestamp_type),
                *(None, b"", None, -1, 0, ()),
                *(record.batch_bytes, record.next_offset),
            )
        return super()._consumer_record(partition, record)


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc]
    """aiokafka's fetched records of a partition, given out up to the budget of the current poll."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[ConsumerRecord]:
        """Return the next records."""
        budget = fetch_budget.current()
        if budget is None:
            return super().getall(max_records)  # type: ignore[no-any-return]
        found: list[ConsumerRecord] = []
        if budget.remaining <= 0 or not self.has_more() or not self.check_assignment(self._topic_partition):
            return found
        for record in self._partition_records:
            found.append(record)
            size = _RECORD_OVERHEAD_BYTES + record.serialized_key_size + record.serialized_value_size
            for name, value in record.headers:
                size += len(name) + len(value or b"")
            budget.remaining -= size
            if budget.remaining <= 0 or len(found) == max_records:
                self._update_position()
                return found
        self._update_position()
        self._partition_records = None
        return found


class BoundedConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that reads every batch, and takes bounded memory for it; poll it within a budget."""

    async def start(self) -> None:
        """Connect to Kafka."""
        await super().start()
        # Nothing is fetched yet: partitions are assigned after the start.
        self._fetcher.__class__ = _private_fetcher.Fetcher


def install_bounded_reader(fetcher_module: Any = fetcher) -> None:
    """Make the consumers that use this instance of aiokafka's fetcher read as a `BoundedConsumer` does."""
    fetcher_module.MemoryRecords = BoundedRecords
    fetcher_module.PartitionRecords = _PartitionRecords
    fetcher_module.FetchResult = _FetchResult


def _load_private_instance(name: str) -> ModuleType:
    """Return a second instance of an imported module, which no other module uses."""
    specification = importlib.util.find_spec(name)
    if specification is None or specification.loader is None:
        raise ModuleNotFoundError(name)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


_private_fetcher: Any = _load_private_instance(fetcher.__name__)
install_bounded_reader(_private_fetcher)
