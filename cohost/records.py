"""Events as a reader gets them: typed data with its envelope, and where to resume behind it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, cast

from pydantic import ValidationError

from schemas import envelope, events
from schemas.envelope import Envelope
from schemas.types import Message

_MODELS: dict[str, type[Message]] = {
    envelope.type_of(model.__name__): model
    for model in (*events.INVITATIONS, *events.BROADCAST, *events.BADGES)
}
DataT_co = TypeVar("DataT_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Position:
    """Where to resume an iterator, exactly behind the item that had it. Keep `str(position)`, hand in either.

    `offsets` has, for each topic (without prefix) and partition, the offset that comes next.
    """

    offsets: Mapping[tuple[str, int], int]

    def __str__(self) -> str:
        found: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in sorted(self.offsets.items()):
            found.setdefault(topic, {})[str(partition)] = offset
        return base64.urlsafe_b64encode(json.dumps(found, separators=(",", ":")).encode()).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that has this text. Raises `ValueError`."""
        try:
            found = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            offsets = {
                (topic, int(partition)): int(offset)
                for topic, places in found.items()
                for partition, offset in places.items()
            }
        except (ValueError, AttributeError, TypeError) as error:
            msg = "this is no position"
            raise ValueError(msg) from error
        return cls(offsets)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is None where this version does not know the type; `envelope.data` then has it all.

    `topic` goes without prefix, `timestamp` is the record's, in milliseconds since the epoch.
    """

    envelope: Envelope
    data: Message | None
    topic: str
    partition: int
    offset: int
    timestamp: int
    position: Position


@dataclass(frozen=True, slots=True)
class Accepted(Generic[DataT_co]):
    """The command took effect: `events` are what it caused, in their order; the last is the command's own."""

    command_id: str
    events: tuple[Event, ...]

    @property
    def data(self) -> DataT_co:
        """What the last event says: the invitation as it now is, the `CoHostLeft`, the `CoHostMuted`."""
        return cast("DataT_co", self.events[-1].data)


@dataclass(frozen=True, slots=True)
class Badge:
    """What a user wears in a room from now on; `data` is None where it is no badge any more."""

    room_id: str
    user_id: str
    data: events.BadgeChanged | None
    position: Position


def event(record: Any, found: Envelope, topic: str, position: Position) -> Event:
    """Return a record with its envelope as an event."""
    data = typed(found)
    return Event(found, data, topic, record.partition, record.offset, record.timestamp, position)


def typed(found: Envelope) -> Message | None:
    """Return the data of an event as its model, None where it is not one that this version knows."""
    model = _MODELS.get(found.type)
    if model is None:
        return None
    try:
        return model.model_validate(found.data, by_alias=True, by_name=False)
    except ValidationError:
        return None
