"""The history of a room: its records on all its topics, the newest part first."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import offset_bounds
from cohost_schemas import topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from services.gateway.ops.consumer_pool import ConsumerPool
from services.gateway.ops.history import tail_search
from services.gateway.ops.history.recent_tails import RecentTails, RoomTails
from services.gateway.ops.history.room_tails import BackwardMerge, PartitionTail, RoomFilter
from services.gateway.ops.history.tail_search import SearchBounds
from services.gateway.ops.topic_access import KnownAccess, TopicAccess

MAX_RECORDS = 1_000

_MAX_BYTES = 64 * 1024 * 1024
_MAX_SECONDS = 2.0
# A search ends in time for the rest of the answer.
_SEARCH_SHARE = 0.75
# Of the events themselves: there may be large ones.
_MAX_PART_BYTES = 4 * 1024 * 1024
_MAX_READERS = 2
_SHARED_SECONDS = 0.5
# Beyond it the newest part is read again from the end.
_MAX_NEW_OFFSETS = 5_000
HISTORY_TOPICS = (
    topics.ROOMS,
    topics.INVITATION_COMMANDS,
    topics.INVITATION_EVENTS,
    topics.INVITATION_REJECTIONS,
    topics.BROADCAST_COMMANDS,
    topics.BROADCAST_EVENTS,
    topics.BROADCAST_REJECTIONS,
    topics.BADGES,
)
"""The topics of a room, causes before effects, which orders records of one millisecond."""


class HistoryPart(NamedTuple):
    """Records of a room, oldest first, and the offsets before which it continues, None at the beginning.

    `unreadable` names the topics that the broker's ACLs forbid.
    """

    records: Sequence[Any]
    before: tuple[int, ...] | None
    is_complete: bool
    unreadable: tuple[str, ...]


class RoomHistoryReader:
    """Reads histories, each request within `max_bytes` of log and `max_seconds`.

    What it has read for a room's newest part is kept for a minute, so that asking again reads only what is
    new; and for `shared_seconds` nothing at all.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        max_bytes: int = _MAX_BYTES,
        max_seconds: float = _MAX_SECONDS,
        shared_seconds: float = _SHARED_SECONDS,
    ) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._shared_seconds = shared_seconds
        self._access = KnownAccess(connection, HISTORY_TOPICS)
        self._consumers = ConsumerPool(connection, _MAX_READERS)
        self._recent = RecentTails()

    async def close(self) -> None:
        """Close the connections."""
        self._access.close()
        await self._consumers.close()

    async def read_newest(self, room_id: str, limit: int) -> HistoryPart:
        """Return the newest part of a room's history. Raises aiokafka's errors and `TimeoutError`."""
        async with self._limit_time() as (access, bounds):
            room = self._recent.of_room(room_id)
            async with room.lock:
                part = _part_of(room.tails, limit, access)
                is_recent = bool(room.tails) and room.age < self._shared_seconds
                if not (is_recent and (part.is_complete or room.is_cut)):
                    async with self._consumers.borrow_consumer() as consumer:
                        await self._read_on(consumer, room_id, room, access, bounds)
                        merge = _merge(room.tails, limit)
                        if not room.is_cut:
                            await tail_search.search_older(consumer, merge, bounds)
                    room.is_cut = bool(merge.take_records())
                    part = _part_of(room.tails, limit, access)
                    room.trim(MAX_RECORDS)
                return part

    async def read_before(self, room_id: str, limit: int, before: Sequence[int]) -> HistoryPart:
        """Return the part before a position. Raises aiokafka's errors and `TimeoutError`."""
        async with self._limit_time() as (access, bounds), self._consumers.borrow_consumer() as consumer:
            ends = dict(zip(HISTORY_TOPICS, before, strict=True))
            tails = await self._open_tails(consumer, room_id, access, ends)
            await tail_search.search_older(consumer, _merge(tails, limit), bounds)
            return _part_of(tails, limit, access)

    @contextlib.asynccontextmanager
    async def _limit_time(self) -> AsyncIterator[tuple[TopicAccess, SearchBounds]]:
        """Give a block the time of a request, and let it ask again what it may read if it fails."""
        ends_at = time.monotonic() + _SEARCH_SHARE * self._max_seconds
        try:
            async with asyncio.timeout(self._max_seconds):
                yield await self._access.current(), SearchBounds(self._max_bytes, ends_at)
        except TopicAuthorizationFailedError:
            self._access.forget()
            self._recent.forget()
            raise

    async def _read_on(
        self,
        consumer: BoundedConsumer,
        room_id: str,
        room: RoomTails,
        access: TopicAccess,
        bounds: SearchBounds,
    ) -> None:
        """Bring a room's tails to the present ends of the log."""
        partitions = [tail.partition for tail in room.tails]
        begins, ends = await offset_bounds(consumer, partitions)
        grown = [ends[tail.partition] - tail.end for tail in room.tails]
        if not grown or min(grown) < 0 or max(grown) > _MAX_NEW_OFFSETS:
            room.begin(await self._open_tails(consumer, room_id, access))
        else:
            try:
                await tail_search.search_newer(
                    consumer, [(tail, ends[tail.partition]) for tail in room.tails], bounds
                )
            except TimeoutError:
                # It would not be faster next time: begin again at the end, backward and in small chunks.
                room.begin(())
                raise
            for tail in room.tails:
                tail.begin = begins[tail.partition]
        room.mark_checked()

    async def _open_tails(
        self,
        consumer: BoundedConsumer,
        room_id: str,
        access: TopicAccess,
        before: Mapping[Topic, int] | None = None,
    ) -> list[PartitionTail]:
        """Return tails of which nothing is read, from the log's ends on or from before them."""
        partitions = {
            topic: TopicPartition(self._connection.topic_name(topic), partition_of(room_id, count))
            for topic, count in access.partition_counts.items()
        }
        begins, ends = await offset_bounds(consumer, list(partitions.values()))
        tails = []
        for rank, topic in enumerate(HISTORY_TOPICS):
            if (partition := partitions.get(topic)) is not None:
                end = ends[partition] if before is None else min(before[topic], ends[partition])
                room = RoomFilter(room_id, has_badge_keys=topic is topics.BADGES)
                tails.append(PartitionTail(topic, partition, rank, (begins[partition], end), room))
        return tails


def _merge(tails: Sequence[PartitionTail], limit: int) -> BackwardMerge:
    return BackwardMerge(tails, limit, _MAX_PART_BYTES)


def _part_of(tails: Sequence[PartitionTail], limit: int, access: TopicAccess) -> HistoryPart:
    """Return what is read of a part."""
    merge = _merge(tails, limit)
    is_ended = not merge.take_records()
    offsets = dict(zip((tail.topic for tail in tails), merge.offsets(), strict=True))
    return HistoryPart(
        merge.records[::-1],
        None if merge.has_all else tuple(offsets.get(topic, 0) for topic in HISTORY_TOPICS),
        is_ended and (len(merge.records) == limit or merge.has_all),
        tuple(topic.suffix for topic in access.unreadable),
    )
