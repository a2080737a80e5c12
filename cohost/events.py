"""The items of the client's streams: events and badges with typed data and the position to resume from."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar, cast

from pydantic import ValidationError

from cohost_schemas import envelope, events
from cohost_schemas.envelope import Envelope
from cohost_schemas.types import Message

_EVENT_MODELS: dict[str, type[Message]] = {
    envelope.wire_type(model.__name__): model
    for model in (*events.INVITATIONS, *events.BROADCAST, *events.BADGES)
}
DataT_co = TypeVar("DataT_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Position:
    """The point in the log right behind an item. Store `str(position)`; `after` accepts either form.

    `offsets` maps each topic (without prefix) and partition to the next offset.
    """

    offsets: Mapping[tuple[str, int], int]

    def __str__(self) -> str:
        offsets_by_topic: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in sorted(self.offsets.items()):
            offsets_by_topic.setdefault(topic, {})[str(partition)] = offset
        return base64.urlsafe_b64encode(json.dumps(offsets_by_topic, separators=(",", ":")).encode()).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position whose `str()` is `text`. Raises `ValueError` for any other text."""
        try:
            offsets_by_topic = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            offsets = {
                (topic, int(partition)): int(offset)
                for topic, partitions in offsets_by_topic.items()
                for partition, offset in partitions.items()
            }
        except (ValueError, AttributeError, TypeError) as error:
            msg = f"invalid position {text!r}: pass the text of an item's position"
            raise ValueError(msg) from error
        return cls(offsets)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is None if this version does not know the type; `envelope.data` has the raw data.

    `topic` has no prefix; `timestamp` is the record's, in milliseconds since the epoch. `value` is the
    record's, the CloudEvent as it is on the topic.
    """

    envelope: Envelope
    data: Message | None
    topic: str
    partition: int
    offset: int
    timestamp: int
    position: Position
    value: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Accepted(Generic[DataT_co]):
    """The command took effect: `events` lists what it caused in log order, its own event last."""

    command_id: str
    events: tuple[Event, ...]

    @property
    def data(self) -> DataT_co:
        """The data of the last event: the current invitation, the `CoHostLeft`, the `CoHostMuted`."""
        return cast("DataT_co", self.events[-1].data)


@dataclass(frozen=True, slots=True)
class Badge:
    """A user's badge in a room from this position on; `data` is None if the badge was removed."""

    room_id: str
    user_id: str
    data: events.BadgeChanged | None
    position: Position


def build_event(record: Any, cloud_event: Envelope, topic: str, position: Position) -> Event:
    """Return the event for a record and its envelope."""
    data = parse_event_data(cloud_event)
    return Event(
        *(cloud_event, data, topic, record.partition, record.offset, record.timestamp, position, record.value)
    )


def parse_event_data(cloud_event: Envelope) -> Message | None:
    """Return an event's data as its model, None for a type or form that this version does not know."""
    model = _EVENT_MODELS.get(cloud_event.type)
    if model is None:
        return None
    try:
        return model.model_validate(cloud_event.data, by_alias=True, by_name=False)
    except ValidationError:
        return None
