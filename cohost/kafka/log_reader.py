"""Read partitions from given offsets, through outages, with neither gaps nor repetitions."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError

from cohost.errors import PositionLost
from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection

_log = logging.getLogger("cohost")

_POLL_MS = 1_000
_SHORT_POLL_MS = 100
_IDLE_POLLS = 5
_REQUEST_SECONDS = 5
_RETRY_SECONDS = 0.5


class _ConsumerStuck(Exception):
    """The consumer does not deliver records that are in the log."""


class LogReader:
    """Read from `offsets`, the next offset of each partition, up to `end_offsets` or until stopped.

    If the log no longer has an offset, reading continues at the first record that it has with `skip_gaps`,
    and raises `PositionLost` without.
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
        self._end_offsets = end_offsets
        self._skip_gaps = skip_gaps
        self._stopped = asyncio.Event()
        self._starting: asyncio.Future[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._interrupted = False

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
            except (KafkaError, ConsumerStoppedError, OSError, TimeoutError, _ConsumerStuck) as error:
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
        consumer.assign(list(self._offsets))
        for partition, offset in self._offsets.items():
            consumer.seek(partition, offset)
        self._interrupted = False

    async def _fetch_batches(self, consumer: AIOKafkaConsumer) -> AsyncGenerator[Sequence[Any], None]:
        idle = 0
        lagging: dict[TopicPartition, int] = {}
        while not await self._check_finished(consumer):
            fetched = await consumer.getmany(
                timeout_ms=_POLL_MS if self._end_offsets is None else _SHORT_POLL_MS
            )
            idle = 0 if fetched else idle + 1
            for partition, records in fetched.items():
                self._offsets[partition] = records[-1].offset + 1
                yield records
            if idle == _IDLE_POLLS:
                idle = 0
                previous, lagging = lagging, await self._lagging_positions(consumer)
                if previous.items() & lagging.items():
                    # After an outage of all brokers some consumers never resume (aio-libs/aiokafka#703).
                    raise _ConsumerStuck

    async def _check_finished(self, consumer: AIOKafkaConsumer) -> bool:
        """Return whether reading has ended, and end it once the end offsets are reached."""
        if self._end_offsets is not None:
            # Control and aborted records take offsets but are never delivered, so compare the position.
            self._offsets = {partition: await consumer.position(partition) for partition in self._offsets}
            if all(offset >= self._end_offsets[partition] for partition, offset in self._offsets.items()):
                self._stopped.set()
        return self._stopped.is_set()

    async def _lagging_positions(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Return an idle consumer's position in each partition that has records behind it."""
        async with asyncio.timeout(_REQUEST_SECONDS):
            end_offsets = await consumer.end_offsets(list(self._offsets))
            # Control and aborted records take offsets but are never delivered, so compare the position.
            positions = {partition: await consumer.position(partition) for partition in self._offsets}
        return {
            partition: position
            for partition, position in positions.items()
            if position < end_offsets[partition]
        }

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
        if not self._interrupted:
            self._interrupted = True
            _log.warning("reading interrupted, retrying: %r", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), _RETRY_SECONDS)


async def read_range(
    consumer: AIOKafkaConsumer,
    start_offsets: Mapping[TopicPartition, int],
    end_offsets: Mapping[TopicPartition, int],
) -> AsyncGenerator[Any, None]:
    """Yield the records from `start_offsets` up to `end_offsets`, using a started consumer exclusively."""
    remaining = {
        partition: offset for partition, offset in start_offsets.items() if offset < end_offsets[partition]
    }
    if not remaining:
        return
    consumer.assign(list(remaining))
    for partition, offset in remaining.items():
        consumer.seek(partition, offset)
    while remaining:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                if record.offset < end_offsets[TopicPartition(record.topic, record.partition)]:
                    yield record
        # Control and aborted records take offsets but are never delivered, so compare the position.
        remaining = {partition: await consumer.position(partition) for partition in remaining}
        remaining = {
            partition: position
            for partition, position in remaining.items()
            if position < end_offsets[partition]
        }


async def fetch_offset_bounds(
    connection: KafkaConnection, partitions: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the begin and the end offsets of partitions, as a reader of committed records sees them."""
    consumer = connection.create_consumer()
    try:
        async with asyncio.timeout(2 * _REQUEST_SECONDS):
            await consumer.start()
            return await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    finally:
        await close_within(consumer.stop())
