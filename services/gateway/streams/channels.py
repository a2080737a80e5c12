"""The live subscriptions of a room or of a user, to which each record's bytes are given once."""

from collections.abc import Sequence

from services.gateway.streams import positions
from services.gateway.streams.positions import Position, StreamKey
from services.gateway.streams.records import StreamRecord
from services.gateway.streams.subscription import Subscription


def encode_event(key: StreamKey, record: StreamRecord, position: Position) -> bytes:
    """Return an event of a stream: a record with the position behind it."""
    return _join_event(key, record, positions.encode_offsets(position.hour, position.offsets))


def _join_event(key: StreamKey, record: StreamRecord, offsets: bytes) -> bytes:
    return b"%sid: %s\n\n" % (record.text, positions.encode_position(key, offsets))


class Channel:
    """The live subscriptions of one stream key, at the hub's place in the log.

    A subscription that was resumed with another copy's position may be ahead of this copy's reader: what it
    has had already is left out, and its positions are no older than the one that it brought.
    """

    def __init__(self, key: StreamKey, partitions: range) -> None:
        self._key = key
        self._partitions = partitions
        self._subscriptions: set[Subscription] = set()
        self._ahead: dict[Subscription, tuple[int, ...]] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether nobody is subscribed."""
        return not (self._subscriptions or self._ahead)

    def add_subscription(
        self, subscription: Subscription, position: Position, offsets: Sequence[int]
    ) -> None:
        """Add a subscription that has had everything before a position; `offsets` are the hub's."""
        if _is_ahead(position.offsets, offsets):
            self._ahead[subscription] = position.offsets
        else:
            self._subscriptions.add(subscription)

    def remove_subscription(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        self._subscriptions.discard(subscription)
        self._ahead.pop(subscription, None)

    def deliver(self, record: StreamRecord, hour: int, offsets: Sequence[int], encoded: bytes) -> int:
        """Queue a record for each subscription that may see it, and return their number.

        `offsets` are the hub's behind the record, for this channel's partitions, and `encoded` the same.
        """
        delivered = 0
        if self._subscriptions:
            event = _join_event(self._key, record, encoded)
            for subscription in self._subscriptions:
                if subscription.viewer.can_see(record):
                    subscription.push_event(event)
                    delivered += 1
        for subscription in list(self._ahead):
            delivered += self._deliver_ahead(subscription, record, hour, offsets)
        return delivered

    def _deliver_ahead(
        self, subscription: Subscription, record: StreamRecord, hour: int, offsets: Sequence[int]
    ) -> int:
        given = self._ahead[subscription]
        if not _is_ahead(given, offsets):
            del self._ahead[subscription]
            self._subscriptions.add(subscription)
        if record.offset < given[self._partitions.index(record.partition)]:
            return 0
        if not subscription.viewer.can_see(record):
            return 0
        position = Position(hour, tuple(map(max, given, offsets)))
        subscription.push_event(encode_event(self._key, record, position))
        return 1


def _is_ahead(given: Sequence[int], offsets: Sequence[int]) -> bool:
    return any(map(int.__gt__, given, offsets))
