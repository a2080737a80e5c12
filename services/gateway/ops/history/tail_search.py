"""Searches of the log for a room's records, backward a chunk at a time, within bounds of bytes and time."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.fetch_budget import poll_within_budget
from cohost.kafka.record_batches import OversizedRecord
from services.gateway.ops.history.room_tails import BackwardMerge, PartitionTail

# The last records of a range may be control records, which end no poll.
_POLL_MS = 20
# Between them other requests and the streams go on.
_RECORDS_PER_TURN = 500
_RECORD_OVERHEAD_BYTES = 100
# A batch that unpacks to too much has no value, and takes as long as this much of other records.
_OVERSIZED_BATCH_BYTES = 8 * 1024 * 1024
_MAX_CHUNK_BYTES = 8 * 1024 * 1024
# Beyond the bound a chunk takes at most this share of it.
_LEAST_SHARE = 64


@dataclass(slots=True)
class SearchBounds:
    """The bytes of log that a request may read, and the time that it may take."""

    max_bytes: int
    ends_at: float
    bytes_read: int = 0

    @property
    def is_late(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() >= self.ends_at

    @property
    def remaining_bytes(self) -> int:
        """Return how much may still be read."""
        return max(0, self.max_bytes - self.bytes_read)


@dataclass(slots=True)
class _Chunk:
    """A range of a partition that is being read forward."""

    tail: PartitionTail
    start: int
    end: int
    max_bytes: float = float("inf")
    count: int = 0
    size: int = 0
    oldest_ms: float | None = None
    is_read: bool = False
    found: list[Any] = field(default_factory=list)

    @property
    def is_too_large(self) -> bool:
        return self.size > self.max_bytes

    def add_records(self, records: Sequence[Any]) -> int:
        """Add the next records and return their size."""
        readable = [record for record in records if record.offset < self.end]
        if self.oldest_ms is None and readable:
            self.oldest_ms = readable[0].timestamp
        size: int = sum(_RECORD_OVERHEAD_BYTES + max(0, record.serialized_value_size) for record in readable)
        oversized = {record.next_offset for record in readable if isinstance(record, OversizedRecord)}
        size += _OVERSIZED_BATCH_BYTES * len(oversized)
        self.count += len(readable)
        self.size += size
        self.found += self.tail.select(readable)
        return size


async def search_older(consumer: AIOKafkaConsumer, merge: BackwardMerge, bounds: SearchBounds) -> None:
    """Search until the merge is full, everything is read, or a bound is reached.

    However small the bound of bytes is, the merge moves on. Raises `TimeoutError` if it did not in time.
    """
    first_offsets = merge.offsets()
    while tails := merge.take_records():
        # What is found and cannot be taken yet would be searched again by the next request.
        has_progress = merge.offsets() != first_offsets
        # A chunk may have twice as much before it is given up.
        allowed = min(bounds.remaining_bytes // (2 * len(tails)), _MAX_CHUNK_BYTES)
        least = bounds.max_bytes // _LEAST_SHARE
        if has_progress and (bounds.is_late or allowed < least):
            return
        if bounds.is_late:
            raise TimeoutError
        allowed = max(allowed, least)
        chunks = [_Chunk(tail, *tail.next_range(allowed), 2 * allowed) for tail in tails]
        for chunk in await _read_chunks(consumer, merge.tails, chunks, bounds):
            if chunk.is_read:
                chunk.tail.add_older(chunk.start, chunk.found, chunk.oldest_ms, chunk.size)
            else:
                chunk.tail.note_size(chunk.size, chunk.count)


async def search_newer(
    consumer: AIOKafkaConsumer, ends: Sequence[tuple[PartitionTail, int]], bounds: SearchBounds
) -> None:
    """Read on from the tails' ends to new ends. Raises `TimeoutError`."""
    chunks = [_Chunk(tail, tail.end, end) for tail, end in ends if end > tail.end]
    finished = await _read_chunks(consumer, [tail for tail, _ in ends], chunks, bounds)
    for chunk in finished:
        chunk.tail.add_newer(chunk.end, chunk.found)
    if len(finished) < len(chunks):
        raise TimeoutError


async def _read_chunks(
    consumer: AIOKafkaConsumer,
    tails: Sequence[PartitionTail],
    chunks: Sequence[_Chunk],
    bounds: SearchBounds,
) -> list[_Chunk]:
    """Return the chunks that were read to their end, or became too large before it."""
    reading: dict[TopicPartition, _Chunk] = {chunk.tail.partition: chunk for chunk in chunks}
    finished: list[_Chunk] = []
    if not reading:
        return finished
    # Always all of them: for topics that come and go, the consumer would ask for metadata each time.
    consumer.assign([tail.partition for tail in tails])
    for tail in tails:
        chunk = reading.get(tail.partition)
        consumer.seek(tail.partition, tail.end if chunk is None else chunk.start)
        if chunk is None:
            consumer.pause(tail.partition)
    while reading and not bounds.is_late:
        most = min(_RECORDS_PER_TURN, sum(chunk.end - chunk.start for chunk in reading.values()))
        fetched = await poll_within_budget(consumer, timeout_ms=_POLL_MS, max_records=most)
        for partition, records in fetched.items():
            if partition in reading:
                bounds.bytes_read += reading[partition].add_records(records)
        for partition, chunk in list(reading.items()):
            chunk.is_read = await consumer.position(partition) >= chunk.end
            if chunk.is_read or chunk.is_too_large:
                finished.append(reading.pop(partition))
                consumer.pause(partition)
        await asyncio.sleep(0)
    consumer.pause(*reading)
    return finished
