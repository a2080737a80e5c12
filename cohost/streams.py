"""Streams of events and badges that resume exactly where they stopped."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Self, TypeVar

from aiokafka import TopicPartition

from cohost.events import Badge, Event, Position, build_event, parse_event_data
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import LogReader, fetch_offset_bounds
from cohost_schemas import envelope, topics
from cohost_schemas.envelope import NotACloudEvent
from cohost_schemas.events import BadgeChanged
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic

StreamStart = Literal["beginning", "end"]
EventSource = Literal["invitations", "broadcast", "both"]
ItemT = TypeVar("ItemT")

_TOPICS_BY_SOURCE: dict[EventSource, tuple[Topic, ...]] = {
    "invitations": (topics.INVITATION_EVENTS,),
    "broadcast": (topics.BROADCAST_EVENTS,),
    "both": (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS),
}


class Stream(Generic[ItemT]):
    """An endless asynchronous iterator.

    As a context manager it fixes its start position when it is entered, otherwise when the first item is
    requested. It ends when its client is closed.
    """

    def __init__(self, open_items: Callable[[], Awaitable[AsyncGenerator[ItemT, None]]]) -> None:
        self._open_items = open_items
        self._items: AsyncGenerator[ItemT, None] | None = None

    async def __aenter__(self) -> Self:
        if self._items is None:
            self._items = await self._open_items()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        if self._items is None:
            self._items = await self._open_items()
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading and free the connection."""
        if self._items is not None:
            await self._items.aclose()


class StreamFactory:
    """Open streams; each stream reads with its own consumer."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._log_readers: set[LogReader] = set()
        self._stopped = False

    async def stop(self) -> None:
        """End every stream, and prevent new ones from starting."""
        self._stopped = True
        for log_reader in list(self._log_readers):
            await log_reader.stop()

    def open_events(
        self, source: EventSource, room_id: str | None, start: StreamStart, after: Position | None
    ) -> Stream[Event]:
        """Return a stream of the events of one room or of all rooms."""

        async def open_items() -> AsyncGenerator[Event, None]:
            partitions = await self._select_partitions(_TOPICS_BY_SOURCE[source], room_id)
            begin_offsets, end_offsets = await fetch_offset_bounds(self._connection, partitions)
            default_offsets = end_offsets if start == "end" else begin_offsets
            offsets = default_offsets if after is None else self._resume_offsets(after, begin_offsets)
            return self._read_events(offsets, room_id)

        return Stream(open_items)

    def open_badges(self, room_id: str | None, after: Position | None) -> Stream[Badge]:
        """Return a stream of badges of one room or of all: current ones unless resuming, then changes."""

        async def open_items() -> AsyncGenerator[Badge, None]:
            partitions = await self._select_partitions((topics.BADGES,), room_id)
            begin_offsets, end_offsets = await fetch_offset_bounds(self._connection, partitions)
            if after is not None:
                return self._read_badges(self._resume_offsets(after, begin_offsets), room_id)
            return self._read_state_then_changes(begin_offsets, end_offsets, room_id)

        return Stream(open_items)

    async def _read_events(
        self, offsets: Mapping[TopicPartition, int], room_id: str | None
    ) -> AsyncGenerator[Event, None]:
        async with contextlib.aclosing(self._follow_log(offsets)) as records:
            async for record, position in records:
                try:
                    cloud_event = envelope.decode_event(record.value, record.headers)
                except NotACloudEvent:
                    continue
                if room_id in (None, cloud_event.subject):
                    yield build_event(
                        record, cloud_event, self._connection.topic_suffix(record.topic), position
                    )

    async def _read_state_then_changes(
        self,
        begin_offsets: Mapping[TopicPartition, int],
        end_offsets: Mapping[TopicPartition, int],
        room_id: str | None,
    ) -> AsyncGenerator[Badge, None]:
        current = [
            badge
            for badge in await self._read_current_badges(begin_offsets, end_offsets, room_id)
            if badge.data is not None
        ]
        if self._stopped:
            return
        for badge in current[:-1]:
            yield badge
        for badge in current[-1:]:
            yield Badge(badge.room_id, badge.user_id, badge.data, self._position_at(end_offsets))
        async with contextlib.aclosing(self._read_badges(end_offsets, room_id)) as changes:
            async for badge in changes:
                yield badge

    async def _read_current_badges(
        self,
        begin_offsets: Mapping[TopicPartition, int],
        end_offsets: Mapping[TopicPartition, int],
        room_id: str | None,
    ) -> list[Badge]:
        position = self._position_at(begin_offsets)
        state: dict[tuple[str, str], Badge] = {}
        log_reader = LogReader(self._connection, begin_offsets, end_offsets=end_offsets, skip_gaps=True)
        async with contextlib.aclosing(self._read_records(log_reader)) as records:
            async for record in records:
                badge = _parse_badge(record, position)
                if badge is not None and room_id in (None, badge.room_id):
                    state[badge.room_id, badge.user_id] = badge
        return list(state.values())

    async def _read_badges(
        self, offsets: Mapping[TopicPartition, int], room_id: str | None
    ) -> AsyncGenerator[Badge, None]:
        async with contextlib.aclosing(self._follow_log(offsets)) as records:
            async for record, position in records:
                badge = _parse_badge(record, position)
                if badge is not None and room_id in (None, badge.room_id):
                    yield badge

    async def _follow_log(
        self, offsets: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[tuple[Any, Position], None]:
        current = dict(self._position_at(offsets).offsets)
        async with contextlib.aclosing(self._read_records(LogReader(self._connection, offsets))) as records:
            async for record in records:
                current[self._connection.topic_suffix(record.topic), record.partition] = record.offset + 1
                yield record, Position(dict(current))

    async def _read_records(self, log_reader: LogReader) -> AsyncGenerator[Any, None]:
        """Yield a log reader's records until this factory is stopped."""
        if self._stopped:
            return
        self._log_readers.add(log_reader)
        try:
            async with contextlib.aclosing(log_reader.read_batches()) as batches:
                async for records in batches:
                    for record in records:
                        yield record
        finally:
            self._log_readers.discard(log_reader)

    async def _select_partitions(
        self, stream_topics: Sequence[Topic], room_id: str | None
    ) -> list[TopicPartition]:
        return [
            TopicPartition(self._connection.topic_name(topic), number)
            for topic, count in (await self._connection.partition_counts(stream_topics)).items()
            for number in (range(count) if room_id is None else [partition_of(room_id, count)])
        ]

    def _position_at(self, offsets: Mapping[TopicPartition, int]) -> Position:
        suffix = self._connection.topic_suffix
        return Position(
            {
                (suffix(topic_partition.topic), topic_partition.partition): offset
                for topic_partition, offset in offsets.items()
            }
        )

    def _resume_offsets(
        self, after: Position, begin_offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        # A partition that is missing in the position is read from its beginning: nothing may be missed.
        return {
            topic_partition: after.offsets.get(
                (self._connection.topic_suffix(topic_partition.topic), topic_partition.partition),
                begin_offset,
            )
            for topic_partition, begin_offset in begin_offsets.items()
        }


def _parse_badge(record: Any, position: Position) -> Badge | None:
    """Return the badge in a record, None if the record is not a valid badge."""
    room_id, _, user_id = (record.key or b"").decode(errors="replace").partition("/")
    if record.value is None:
        return Badge(room_id, user_id, None, position)
    try:
        data = parse_event_data(envelope.decode_event(record.value, record.headers))
    except NotACloudEvent:
        return None
    return Badge(room_id, user_id, data, position) if isinstance(data, BadgeChanged) else None
