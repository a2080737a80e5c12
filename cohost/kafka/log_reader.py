"""Read partitions from given offsets: up to given ends, or without end and through outages."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, OffsetOutOfRangeError

from cohost.kafka.backoff import Backoff
from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS, PositionLost
from cohost.kafka.fetch_budget import poll_within_budget
from cohost.kafka.record_batches import OversizedRecord
from cohost.kafka.unpacking import MAX_UNPACKED_BYTES

_log = logging.getLogger("cohost")

_POLL_MS = 1_000
_SHORT_POLL_MS = 100
# A slow fetch takes less. A consumer counts as stuck if it has not moved between two looks.
_IDLE_SECONDS = 5
_REQUEST_SECONDS = 5
_FIRST_RETRY_SECONDS = 0.5
_MAX_RETRY_SECONDS = 2.0


class _ConsumerStuck(Exception):
    """The consumer does not deliver records that are in the log."""


class LogReader:
    """Read from `offsets`, the next offset of each partition, up to `end_offsets` or until stopped.

    If the log no longer has an offset, reading raises `PositionLost`, or with `skip_gaps` continues at the
    log's first record. A batch that unpacks to too much is skipped with a warning.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        offsets: Mapping[TopicPartition, int],
        *,
        end_offsets: Mapping[TopicPartition, int] | None = None,
        skip_gaps: bool = False,
    ) -> None:
        self._connection = connection
        self._offsets = dict(offsets)
        self.passed_offsets = dict(offsets)
        """The next offset of each partition behind all that was yielded and taken, and control records."""
        self._end_offsets = end_offsets
        self._skip_gaps = skip_gaps
        self._stopped = asyncio.Event()
        self._starting: asyncio.Future[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)

    @property
    def is_stopped(self) -> bool:
        """Return whether reading has ended."""
        return self._stopped.is_set()

    async def stop(self) -> None:
        """Stop reading."""
        self._stopped.set()
        if self._starting is not None:
            self._starting.cancel()
        if self._consumer is not None:
            await close_within(self._consumer.stop())

    async def read_batches(self) -> AsyncGenerator[Sequence[Any], None]:
        """Yield batches of records until stopped; each batch is from one partition, in log order."""
        while not self._stopped.is_set():
            consumer = self._connection.create_consumer()
            try:
                await self._start_consumer(consumer)
                self._consumer = consumer
                try:
                    async with contextlib.aclosing(self._fetch_batches(consumer)) as batches:
                        async for records in batches:
                            yield records
                except OffsetOutOfRangeError as error:
                    await self._handle_gap(error)
            except (*UNAVAILABLE_ERRORS, ConsumerStoppedError, _ConsumerStuck) as error:
                await self._wait_after_error(error)
            finally:
                await close_within(consumer.stop())

    async def _start_consumer(self, consumer: AIOKafkaConsumer) -> None:
        self._starting = starting = asyncio.ensure_future(consumer.start())
        try:
            await asyncio.wait({starting}, timeout=2 * _REQUEST_SECONDS)
        finally:
            # A consumer that is stopped while it starts goes on starting, and then cannot be stopped again.
            starting.cancel()
            await asyncio.wait({starting})
        if starting.cancelled():
            raise ConsumerStoppedError if self._stopped.is_set() else TimeoutError
        starting.result()
        self._backoff.reset()

    async def _fetch_batches(self, consumer: AIOKafkaConsumer) -> AsyncGenerator[Sequence[Any], None]:
        idle_since = time.monotonic()
        lagging: dict[TopicPartition, int] = {}
        async with contextlib.aclosing(poll_partitions(consumer, self._offsets, self._end_offsets)) as polls:
            async for fetched in polls:
                for partition, records in fetched.items():
                    self._offsets[partition] = records[-1].offset + 1
                    if readable := self._skip_oversized(consumer, partition, records):
                        yield readable
                if self._stopped.is_set():
                    return
                for partition in fetched or consumer.assignment():
                    self.passed_offsets[partition] = await consumer.position(partition)
                now = time.monotonic()
                if fetched:
                    idle_since = now
                elif now - idle_since >= _IDLE_SECONDS:
                    idle_since = now
                    previous, lagging = lagging, await _lagging_positions(consumer)
                    if previous.items() & lagging.items():
                        # After an outage of all brokers some consumers never resume (aio-libs/aiokafka#703).
                        raise _ConsumerStuck
        self._stopped.set()

    def _skip_oversized(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, records: Sequence[Any]
    ) -> Sequence[Any]:
        """Return the records before the first oversized batch, and continue behind that batch."""
        readable = list(itertools.takewhile(lambda record: not isinstance(record, OversizedRecord), records))
        if len(readable) == len(records):
            return records
        oversized = records[len(readable)]
        _log.warning(
            "skipping %s:%d from offset %d to %d: the batch of %d bytes unpacks to more than %d bytes",
            *(*partition, oversized.offset, oversized.next_offset - 1),
            *(oversized.batch_bytes, MAX_UNPACKED_BYTES),
        )
        self._offsets[partition] = oversized.next_offset
        consumer.seek(partition, oversized.next_offset)
        return readable

    async def _handle_gap(self, error: Exception) -> None:
        if not self._skip_gaps:
            msg = "the log no longer has this position: start a new stream without `after`"
            raise PositionLost(msg) from error
        begin_offsets, end_offsets = await fetch_offset_bounds(self._connection, list(self._offsets))
        self._offsets = {
            partition: offset
            if begin_offsets[partition] <= offset <= end_offsets[partition]
            else begin_offsets[partition]
            for partition, offset in self._offsets.items()
        }

    async def _wait_after_error(self, error: Exception) -> None:
        if self._stopped.is_set():
            return
        if not self._backoff.failing:
            _log.warning("reading interrupted, retrying: %r", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), self._backoff.next_wait())


async def poll_partitions(
    consumer: AIOKafkaConsumer,
    start_offsets: Mapping[TopicPartition, int],
    end_offsets: Mapping[TopicPartition, int] | None = None,
) -> AsyncGenerator[Mapping[TopicPartition, Sequence[Any]], None]:
    """Read from `start_offsets` up to `end_offsets`, or without end, using a started consumer exclusively.

    Yield the records of each poll by partition, in log order; a poll may fetch none.
    """
    remaining = [
        partition
        for partition, offset in start_offsets.items()
        if end_offsets is None or offset < end_offsets[partition]
    ]
    if remaining:
        consumer.assign(remaining)
    for partition in remaining:
        consumer.seek(partition, start_offsets[partition])
    while remaining:
        if end_offsets is None:
            yield await poll_within_budget(consumer, timeout_ms=_POLL_MS)
            continue
        fetched = await poll_within_budget(consumer, *remaining, timeout_ms=_SHORT_POLL_MS)
        yield {
            partition: before_end
            for partition, records in fetched.items()
            if (before_end := _records_before(end_offsets[partition], records))
        }
        # Control and aborted records take offsets but are never delivered, so compare the position.
        finished = [
            partition
            for partition in remaining
            if await consumer.position(partition) >= end_offsets[partition]
        ]
        consumer.pause(*finished)
        for partition in finished:
            # Otherwise the consumer keeps what it has unpacked and not given out.
            consumer.seek(partition, end_offsets[partition])
        remaining = [partition for partition in remaining if partition not in finished]


async def offset_bounds(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the begin and the end offsets of partitions, as this consumer sees them."""
    end_offsets = await consumer.end_offsets(partitions)
    return await consumer.beginning_offsets(partitions), end_offsets


async def fetch_offset_bounds(
    connection: KafkaConnection, partitions: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the begin and the end offsets of partitions, as a reader of committed records sees them."""
    async with asyncio.timeout(2 * _REQUEST_SECONDS), connection.open_consumer() as consumer:
        return await offset_bounds(consumer, partitions)


async def _lagging_positions(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Return an idle consumer's position in each partition that it reads and that has records behind it."""
    partitions = list(consumer.assignment() - consumer.paused())
    async with asyncio.timeout(_REQUEST_SECONDS):
        end_offsets = await consumer.end_offsets(partitions)
        # Control and aborted records take offsets but are never delivered, so compare the position.
        positions = {partition: await consumer.position(partition) for partition in partitions}
    return {
        partition: position for partition, position in positions.items() if position < end_offsets[partition]
    }


def _records_before(end_offset: int, records: Sequence[Any]) -> Sequence[Any]:
    if records[-1].offset < end_offset:
        return records
    return [record for record in records if record.offset < end_offset]
