"""The log as this process reads it: its place, its newest records, and the streams that follow it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiokafka import TopicPartition

from cohost_schemas.envelope import Envelope
from services.gateway.streams import positions, records
from services.gateway.streams.channels import Channel, encode_event
from services.gateway.streams.layout import PartitionLayout
from services.gateway.streams.metrics import StreamMetrics
from services.gateway.streams.positions import Position, StreamKey
from services.gateway.streams.recent_records import RecentRecords
from services.gateway.streams.records import StreamRecord
from services.gateway.streams.subscription import MAX_PAST_EVENTS, Subscription, Viewer

_SECONDS_PER_HOUR = 3600
# Between them the streams' tasks write: a client that keeps up is not behind by all that a poll returns.
_RECORDS_PER_TURN = 50


class EventObserver(Protocol):
    """An observer that gets the log's events beside the streams."""

    def begin_events(self) -> None:
        """Begin at a place in the log, from which on each event and badge comes once."""

    def add_event(self, record: Any, event: Envelope) -> None:
        """See the next record, with its event decoded."""


class LiveLog:
    """Records are given to the streams in the order in which they are read, each once.

    `passed_offsets` are the reader's, which go on over control records too. The observer sees every
    event and badge.
    """

    def __init__(
        self,
        layout: PartitionLayout,
        passed_offsets: Mapping[TopicPartition, int],
        metrics: StreamMetrics,
        observer: EventObserver | None = None,
    ) -> None:
        self._layout = layout
        self._passed_offsets = passed_offsets
        self._offsets = [passed_offsets[partition] for partition in layout.partitions]
        self._recent = RecentRecords(self._offsets)
        self._channels: dict[StreamKey, Channel] = {}
        self._has_read_on = asyncio.Event()
        self._metrics = metrics
        self._observer = observer
        if observer is not None:
            observer.begin_events()

    def position_of(self, key: StreamKey) -> Position:
        """Return the position of a stream that begins now."""
        self._pass_control_records()
        return Position(current_hour(), self._offsets_of(key))

    def recent_begins(self, key: StreamKey) -> list[int]:
        """Return from where on records are in memory, for each partition of a stream."""
        return self._recent.begin_offsets(key, self._layout.numbers_of(key))

    async def add_records(self, batch: Sequence[Any]) -> None:
        """Give the next records of a partition to the streams."""
        number = self._layout.number_of(TopicPartition(batch[0].topic, batch[0].partition))
        has_host_order = self._layout.has_host_order(number)
        self._metrics.records.inc(len(batch))
        self._pass_control_records()
        for count, raw in enumerate(batch, 1):
            self._offsets[number] = raw.offset + 1
            event = records.decode_record(raw)
            if event is not None and self._observer is not None:
                self._observer.add_event(raw, event)
            record = records.stream_record(raw, event, number, has_host_order=has_host_order)
            if record is not None:
                self._recent.append_record(record)
                self._deliver(record)
            if count % _RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)
        self._has_read_on.set()

    async def wait_for_badges(self, key: StreamKey, ends: Mapping[TopicPartition, int]) -> None:
        """Wait until every badge of a stream has been read that is before these ends of the log."""
        # The last record before an end is no badge: it is the end of the transaction that wrote one.
        wanted = {number: ends[self._layout.partitions[number]] - 1 for number in self._layout.badges_of(key)}
        self._pass_control_records()
        while any(self._offsets[number] < offset for number, offset in wanted.items()):
            self._has_read_on.clear()
            await self._has_read_on.wait()

    def missed_events(
        self, key: StreamKey, viewer: Viewer, position: Position
    ) -> tuple[Position, list[bytes]] | None:
        """Return the next events that a stream has missed since a position, and the position behind them.

        They are fewer than `MAX_PAST_EVENTS` only if no more was missed. None if what comes next is no longer
        in memory. Of each badge it is the last one.
        """
        if any(map(int.__lt__, position.offsets, self.recent_begins(key))):
            return None
        numbers = self._layout.numbers_of(key)
        begins = dict(zip(numbers, position.offsets, strict=True))
        missed = [r for r in self._recent.records_of(key) if r.offset >= begins[r.partition]]
        last_badges = {record.badge: record.offset for record in missed}
        offsets = list(position.offsets)
        events: list[bytes] = []
        for record in missed:
            offsets[numbers.index(record.partition)] = record.offset + 1
            is_replaced = record.badge is not None and record.offset < last_badges[record.badge]
            if viewer.can_see(record) and not is_replaced:
                events.append(encode_event(key, record, Position(position.hour, tuple(offsets))))
                if len(events) == MAX_PAST_EVENTS:
                    break
        return position._replace(offsets=tuple(offsets)), events

    def join(self, key: StreamKey, subscription: Subscription, position: Position) -> None:
        """Subscribe a stream that has all of its events up to now, or up to a position that is later."""
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(key, self._layout.numbers_of(key))
        channel.add_subscription(subscription, position, self._offsets_of(key))

    def leave(self, key: StreamKey, subscription: Subscription) -> None:
        """End a subscription, if it has begun."""
        channel = self._channels.get(key)
        if channel is not None:
            channel.remove_subscription(subscription)
            if channel.is_empty:
                del self._channels[key]

    def _pass_control_records(self) -> None:
        # Otherwise a position right before one is lost with it, although nothing else was there.
        for number, partition in enumerate(self._layout.partitions):
            self._offsets[number] = max(self._offsets[number], self._passed_offsets[partition])

    def _deliver(self, record: StreamRecord) -> None:
        hour = current_hour()
        delivered = 0
        room = StreamKey("room", record.room_id)
        if (channel := self._channels.get(room)) is not None:
            offsets = self._offsets_of(room)
            delivered += channel.deliver(record, hour, offsets, positions.encode_offsets(hour, offsets))
        followed = [
            channel
            for user_id in record.user_ids
            if (channel := self._channels.get(StreamKey("user", user_id))) is not None
        ]
        if followed:
            encoded = positions.encode_offsets(hour, self._offsets)
            for channel in followed:
                delivered += channel.deliver(record, hour, self._offsets, encoded)
        self._metrics.events.inc(delivered)

    def _offsets_of(self, key: StreamKey) -> tuple[int, ...]:
        return tuple(self._offsets[number] for number in self._layout.numbers_of(key))


def current_hour() -> int:
    """Return the hours since the epoch."""
    return int(time.time() // _SECONDS_PER_HOUR)
