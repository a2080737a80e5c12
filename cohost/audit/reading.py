"""Parse input records as a service must: to a cause id or to a dead letter reason."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from cohost.audit.layout import Input, Record
from schemas import envelope, partitions
from schemas.envelope import Envelope
from schemas.types import Message, is_id


class Reading(NamedTuple):
    """The id that outcomes name as their cause, or the dead letter reason; never both."""

    cause: str | None
    dead: str | None


class Reader:
    """Parse the records of one input topic."""

    def __init__(self, entry: Input, count: int) -> None:
        self._entry = entry
        self._count = count
        self._models: Mapping[str, type[Message]] = {
            envelope.type_of(model.__name__): model for model in entry.models
        }

    def read(self, record: Record) -> Reading:
        """Return the record's cause id or dead letter reason."""
        if self._entry.kind == "facts" and record.value is None:
            dead = self._tombstone(record.key, record.partition)
            return Reading(None if dead else position(record), dead)
        try:
            event = envelope.decode(record.value, record.headers)
        except envelope.NotACloudEvent:
            return Reading(None, "not_a_cloud_event")
        if self._entry.kind == "commands":
            return Reading(event.id, None)
        dead = self._fact(record, event)
        return Reading(None if dead else event.id, dead)

    def _tombstone(self, key: bytes | None, partition: int) -> str | None:
        if key is None:
            return "not_a_cloud_event"
        if partitions.partition_of_bytes(key, self._count) != partition:
            return "wrong_partition"
        return None if is_id(key.decode(errors="replace")) else "invalid_fact"

    def _fact(self, record: Record, event: Envelope) -> str | None:
        key = record.key
        if key is not None and partitions.partition_of_bytes(key, self._count) != record.partition:
            return "wrong_partition"
        model = self._models.get(event.type)
        if model is None:
            return "unknown_fact"
        named = _named(event, model, self._entry.key_field)
        agree = key is not None and named is not None and key == named.encode() and event.subject == named
        return None if agree else "invalid_fact"


def position(record: Record) -> str:
    """Return `<topic>:<partition>:<offset>`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def _named(event: Envelope, model: type[Message], field: str) -> str | None:
    """Return the data's room or user id, None if the data breaks its schema."""
    data = event.data
    if isinstance(data, dict):
        data = envelope.without_nulls(data)
    try:
        found: str = getattr(model.model_validate(data, by_alias=True, by_name=False), field)
    except ValidationError:
        return None
    return found
