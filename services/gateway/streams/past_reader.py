"""Reads of the log for streams that resume from before the records in memory."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.log_reader import LogReader, offset_bounds
from services.gateway.streams import channels, records
from services.gateway.streams.layout import PartitionLayout
from services.gateway.streams.positions import Position, StreamKey
from services.gateway.streams.subscription import MAX_PAST_EVENTS, Viewer

_BOUNDS_SECONDS = 5
_MAX_READERS = 4
_RECORDS_PER_TURN = 500

OffsetBounds = tuple[dict[TopicPartition, int], dict[TopicPartition, int]]


class LogBounds:
    """The begin and end offsets of the streams' partitions: one request for all callers that wait."""

    def __init__(self, connection: KafkaConnection, layout: PartitionLayout) -> None:
        self._connection = connection
        self._layout = layout
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[OffsetBounds] | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def fetch(self) -> OffsetBounds:
        """Return the bounds as they are after this call. Raises aiokafka's errors."""
        if self._next is None:
            self._next = asyncio.create_task(self._fetch_after_current())
            # Every caller may have been cancelled when it fails: its error counts as retrieved.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_within(consumer.stop())

    async def _fetch_after_current(self) -> OffsetBounds:
        async with self._lock:
            # What is asked from here on may be about a later state of the log.
            self._next = None
            try:
                async with asyncio.timeout(_BOUNDS_SECONDS):
                    if self._consumer is None:
                        self._consumer = self._connection.create_consumer()
                        await self._consumer.start()
                    return await offset_bounds(self._consumer, self._layout.partitions)
            except UNAVAILABLE_ERRORS:
                await self.close()
                raise


class PastReader:
    """Reads what a stream has missed, a part at a time, with a bounded number of consumers."""

    def __init__(self, connection: KafkaConnection, layout: PartitionLayout) -> None:
        self._connection = connection
        self._layout = layout
        self._slots = asyncio.Semaphore(_MAX_READERS)

    async def read_part(
        self, key: StreamKey, viewer: Viewer, position: Position, end_offsets: Sequence[int]
    ) -> tuple[Position, list[bytes]]:
        """Return a stream's next events before `end_offsets`, and the position behind them.

        `end_offsets` are those of the stream's partitions. Raises `PositionLost` if the log no longer has the
        position; waits while Kafka is unavailable.
        """
        part = _Part(key, viewer, position, self._layout)
        partitions = [self._layout.partitions[number] for number in self._layout.numbers_of(key)]
        starts = dict(zip(partitions, position.offsets, strict=True))
        ends = {
            partition: max(starts[partition], end)
            for partition, end in zip(partitions, end_offsets, strict=True)
        }
        async with self._slots:
            reader = LogReader(self._connection, starts, end_offsets=ends)
            async with contextlib.aclosing(reader.read_batches()) as batches:
                async for batch in batches:
                    if not await part.add_records(batch):
                        return part.position, part.events()
        # There may be no record right before an end: those of aborted transactions, or compacted ones.
        return position._replace(offsets=tuple(ends.values())), part.events()


class _Part:
    """A stream's events that a read has found so far, and its place in the log."""

    def __init__(self, key: StreamKey, viewer: Viewer, position: Position, layout: PartitionLayout) -> None:
        self._events: list[bytes | None] = []
        self._badges: dict[str, int] = {}
        self._key = key
        self._viewer = viewer
        self._hour = position.hour
        self._layout = layout
        self._numbers = layout.numbers_of(key)
        self._offsets = list(position.offsets)
        self._needle = key.id.encode()

    @property
    def position(self) -> Position:
        """The position behind the last record."""
        return Position(self._hour, tuple(self._offsets))

    def events(self) -> list[bytes]:
        """Return the events; of each badge the last one."""
        return [event for event in self._events if event is not None]

    async def add_records(self, batch: Sequence[Any]) -> bool:
        """Add the events in records of one partition, and return whether there is room for more."""
        number = self._layout.number_of(TopicPartition(batch[0].topic, batch[0].partition))
        place = self._numbers.index(number)
        for count, raw in enumerate(batch, 1):
            self._offsets[place] = raw.offset + 1
            self._add_record(raw, number)
            if len(self._events) >= MAX_PAST_EVENTS:
                return False
            if count % _RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)
        return True

    def _add_record(self, raw: Any, number: int) -> None:
        # An id is in the JSON as it is, so most records need not be decoded.
        if self._needle not in (raw.value or raw.key or b""):
            return
        record = records.parse_record(raw, number, has_host_order=self._layout.has_host_order(number))
        if record is not None and self._key in record.stream_keys() and self._viewer.can_see(record):
            if record.badge is not None:
                if record.badge in self._badges:
                    self._events[self._badges[record.badge]] = None
                self._badges[record.badge] = len(self._events)
            self._events.append(channels.encode_event(self._key, record, self.position))
