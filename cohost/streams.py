"""Streams of events and badges that resume exactly where they stopped."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Self, TypeVar

from aiokafka import TopicPartition

from cohost.connection import Connection
from cohost.records import Badge, Event, Position, event, typed
from cohost.tail import Tail, extents
from schemas import envelope, topics
from schemas.envelope import NotACloudEvent
from schemas.events import BadgeChanged
from schemas.partitions import partition_of
from schemas.topics import Topic

Start = Literal["beginning", "end"]
Which = Literal["invitations", "broadcast", "both"]
ItemT = TypeVar("ItemT")

_TOPICS: dict[Which, tuple[Topic, ...]] = {
    "invitations": (topics.INVITATION_EVENTS,),
    "broadcast": (topics.BROADCAST_EVENTS,),
    "both": (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS),
}


class Stream(Generic[ItemT]):
    """An endless asynchronous iterator.

    As a context manager it fixes its start position when it is entered, otherwise when the first item is
    requested. It ends when its client is closed.
    """

    def __init__(self, begin: Callable[[], Awaitable[AsyncGenerator[ItemT, None]]]) -> None:
        self._begin = begin
        self._items: AsyncGenerator[ItemT, None] | None = None

    async def __aenter__(self) -> Self:
        if self._items is None:
            self._items = await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        if self._items is None:
            self._items = await self._begin()
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading and free the connection."""
        if self._items is not None:
            await self._items.aclose()


class Streams:
    """Open streams; each stream reads with its own consumer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tails: set[Tail] = set()
        self._stopped = False

    async def stop(self) -> None:
        """End every stream, and prevent new ones from starting."""
        self._stopped = True
        for tail in list(self._tails):
            await tail.stop()

    def events(
        self, which: Which, room_id: str | None, from_: Start, after: Position | None
    ) -> Stream[Event]:
        """Return a stream of the events of one room or of all rooms."""

        async def begin() -> AsyncGenerator[Event, None]:
            places = await self._places(_TOPICS[which], room_id)
            begins, ends = await extents(self._connection, places)
            fresh = ends if from_ == "end" else begins
            offsets = fresh if after is None else self._resumed(after, begins)
            return self._events(offsets, room_id)

        return Stream(begin)

    def badges(self, room_id: str | None, after: Position | None) -> Stream[Badge]:
        """Return a stream of badges of one room or of all: current ones unless resuming, then changes."""

        async def begin() -> AsyncGenerator[Badge, None]:
            places = await self._places((topics.BADGES,), room_id)
            begins, ends = await extents(self._connection, places)
            if after is not None:
                return self._badges(self._resumed(after, begins), room_id)
            return self._state_and_changes(begins, ends, room_id)

        return Stream(begin)

    async def _events(
        self, offsets: Mapping[TopicPartition, int], room_id: str | None
    ) -> AsyncGenerator[Event, None]:
        async with contextlib.aclosing(self._follow(offsets)) as records:
            async for record, position in records:
                try:
                    found = envelope.decode(record.value, record.headers)
                except NotACloudEvent:
                    continue
                if room_id in (None, found.subject):
                    yield event(record, found, self._connection.suffix(record.topic), position)

    async def _state_and_changes(
        self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], room_id: str | None
    ) -> AsyncGenerator[Badge, None]:
        worn = [badge for badge in await self._state(begins, ends, room_id) if badge.data is not None]
        if self._stopped:
            return
        for badge in worn[:-1]:
            yield badge
        for badge in worn[-1:]:
            yield Badge(badge.room_id, badge.user_id, badge.data, self._position(ends))
        async with contextlib.aclosing(self._badges(ends, room_id)) as changes:
            async for badge in changes:
                yield badge

    async def _state(
        self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], room_id: str | None
    ) -> list[Badge]:
        position = self._position(begins)
        state: dict[tuple[str, str], Badge] = {}
        tail = Tail(self._connection, begins, ends=ends, patient=True)
        async with contextlib.aclosing(self._records(tail)) as records:
            async for record in records:
                # A record written behind the end offsets since then is yielded later, as a change.
                if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    badge = _badge(record, position)
                    if badge is not None and room_id in (None, badge.room_id):
                        state[badge.room_id, badge.user_id] = badge
        return list(state.values())

    async def _badges(
        self, offsets: Mapping[TopicPartition, int], room_id: str | None
    ) -> AsyncGenerator[Badge, None]:
        async with contextlib.aclosing(self._follow(offsets)) as records:
            async for record, position in records:
                badge = _badge(record, position)
                if badge is not None and room_id in (None, badge.room_id):
                    yield badge

    async def _follow(
        self, offsets: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[tuple[Any, Position], None]:
        current = dict(self._position(offsets).offsets)
        async with contextlib.aclosing(self._records(Tail(self._connection, offsets))) as records:
            async for record in records:
                current[self._connection.suffix(record.topic), record.partition] = record.offset + 1
                yield record, Position(dict(current))

    async def _records(self, tail: Tail) -> AsyncGenerator[Any, None]:
        """Yield a log reader's records until this factory is stopped."""
        if self._stopped:
            return
        self._tails.add(tail)
        try:
            async with contextlib.aclosing(tail.read()) as batches:
                async for records in batches:
                    for record in records:
                        yield record
        finally:
            self._tails.discard(tail)

    async def _places(self, wanted: Sequence[Topic], room_id: str | None) -> list[TopicPartition]:
        return [
            TopicPartition(self._connection.name(topic), number)
            for topic, count in (await self._connection.partitions(wanted)).items()
            for number in (range(count) if room_id is None else [partition_of(room_id, count)])
        ]

    def _position(self, offsets: Mapping[TopicPartition, int]) -> Position:
        suffix = self._connection.suffix
        return Position({(suffix(place.topic), place.partition): offset for place, offset in offsets.items()})

    def _resumed(self, after: Position, begins: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        # A partition that is missing in the position is read from its beginning: nothing may be missed.
        return {
            place: after.offsets.get((self._connection.suffix(place.topic), place.partition), begin)
            for place, begin in begins.items()
        }


def _badge(record: Any, position: Position) -> Badge | None:
    """Return the badge in a record, None if the record is not a valid badge."""
    room_id, _, user_id = (record.key or b"").decode(errors="replace").partition("/")
    if record.value is None:
        return Badge(room_id, user_id, None, position)
    try:
        data = typed(envelope.decode(record.value, record.headers))
    except NotACloudEvent:
        return None
    return Badge(room_id, user_id, data, position) if isinstance(data, BadgeChanged) else None
