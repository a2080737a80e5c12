"""Published transactions, until the last stable offset of their partitions has passed them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.errors import UNAVAILABLE_ERRORS
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.lanes.lane import Lane
from messaging.outbox.store import OutboxBatch, total_bytes
from messaging.outbox.transactions import BROKER_TIMEOUT_MS, PartitionEnd

_POLL_SECONDS = 0.2
_DRAIN_POLL_SECONDS = 0.01
_SETTLE_SECONDS = 10
_MAX_UNSETTLED_BYTES = 32 * 1024 * 1024
_LONGEST_TRANSACTION_SECONDS = BROKER_TIMEOUT_MS / 1000 / 2
_OPTIONS = {"retry_backoff_ms": 10}


class _Transaction(NamedTuple):
    """A confirmed transaction: its end in each partition, and its batches as (lane, number)."""

    ends: Mapping[TopicPartition, PartitionEnd]
    batches: Sequence[tuple[int, int]]
    byte_size: int
    confirmed_at: float


class Settlement:
    """The transactions of a session that are confirmed and not settled, oldest first.

    Kafka confirms a transaction before it writes its end to the partitions, and may fail to write it: no
    reader sees the records then, and a later abort of the same producer removes them. A transaction is
    settled, and recorded so in `lanes`, once the last stable offset of each of its partitions is past it.
    """

    def __init__(self, config: Config, lanes: Mapping[int, Lane]) -> None:
        self._config = config
        self._lanes = lanes
        self._unsettled: deque[_Transaction] = deque()
        self._unsettled_bytes = 0
        self._begun_at: float | None = None
        self._has_unsettled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._is_draining = asyncio.Event()

    def record_begun(self) -> None:
        """Record that a transaction begins."""
        self._begun_at = _now()

    def record_confirmed(
        self, batches: Sequence[OutboxBatch], ends: Mapping[TopicPartition, PartitionEnd]
    ) -> None:
        """Record that Kafka confirmed the transaction of these batches, with its end in each partition."""
        self._begun_at = None
        numbers = [(batch.lane, batch.number) for batch in batches]
        self._unsettled.append(_Transaction(ends, numbers, total_bytes(batches), _now()))
        self._update_size(total_bytes(batches))

    async def wait_for_room(self) -> None:
        """Wait while so much is not settled that a takeover could hardly hold it in memory."""
        await self._has_room.wait()

    async def wait_settled(self) -> None:
        """Wait until every confirmed transaction is settled."""
        self._is_draining.set()
        try:
            await self._is_settled.wait()
        finally:
            self._is_draining.clear()

    async def run(self) -> None:
        """Ask for the stable offsets while a transaction is not settled, until cancelled.

        Raises `NotConfirmed` if one is not settled in time: a takeover then finds out what is in the log.
        """
        async with self._config.kafka.open_consumer(**_OPTIONS) as consumer:
            while True:
                await self._has_unsettled.wait()
                await asyncio.sleep(_DRAIN_POLL_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS - _DRAIN_POLL_SECONDS):
                        await self._is_draining.wait()
                await self._poll(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        deadline = self._unsettled[0].confirmed_at + _SETTLE_SECONDS
        partitions = {partition for transaction in self._unsettled for partition in transaction.ends}
        stable_offsets: Mapping[TopicPartition, int] = {}
        with contextlib.suppress(*UNAVAILABLE_ERRORS):
            async with asyncio.timeout_at(deadline):
                stable_offsets = await consumer.end_offsets(list(partitions))
        self._settle(stable_offsets)
        if self._unsettled and self._unsettled[0].confirmed_at + _SETTLE_SECONDS <= _now():
            msg = (
                f"the stable offset did not pass a confirmed transaction within {_SETTLE_SECONDS} s on "
                f"{_describe(self._unsettled[0], stable_offsets)}: Kafka is away or has not written its end "
                "there, or another writer has an open transaction"
            )
            raise NotConfirmed(msg)

    def _settle(self, stable_offsets: Mapping[TopicPartition, int]) -> None:
        # Kafka aborts a transaction that stays open for too long. That moves the stable offset too, past
        # earlier records of this producer that it removes, so that the offset proves nothing any more.
        if self._begun_at is not None and _now() - self._begun_at > _LONGEST_TRANSACTION_SECONDS:
            return
        while self._unsettled and all(
            stable_offsets.get(partition, 0) >= end.offset
            for partition, end in self._unsettled[0].ends.items()
        ):
            self._record_settled(self._unsettled.popleft())

    def _record_settled(self, transaction: _Transaction) -> None:
        for partition, end in transaction.ends.items():
            suffix = self._config.kafka.topic_suffix(partition.topic)
            self._lanes[partition.partition].record_settled_end(suffix, end.sequence, end.offset)
        for lane, number in transaction.batches:
            self._lanes[lane].record_settled_batch(number)
        self._update_size(-transaction.byte_size)

    def _update_size(self, difference: int) -> None:
        self._unsettled_bytes += difference
        for event, is_set in (
            (self._has_unsettled, bool(self._unsettled)),
            (self._is_settled, not self._unsettled),
            (self._has_room, self._unsettled_bytes < _MAX_UNSETTLED_BYTES),
        ):
            if is_set:
                event.set()
            else:
                event.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _describe(transaction: _Transaction, stable_offsets: Mapping[TopicPartition, int]) -> str:
    """Return the partitions of the transaction that are not known to be past it."""
    return ", ".join(
        f"{partition.topic}:{partition.partition}"
        for partition, end in transaction.ends.items()
        if stable_offsets.get(partition, 0) < end.offset
    )
