"""Parse Kafka records into input records, rejections and dead letters."""

from dataclasses import dataclass
from typing import Literal

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from messaging.domain import Incoming, Input, Layout
from schemas import envelope, partitions, timestamps
from schemas.envelope import Envelope
from schemas.types import Message, is_id

DeadLetterReason = Literal["not_a_cloud_event", "wrong_partition", "unknown_fact", "invalid_fact"]
Unread = Literal["wrong_partition", "unknown_command", "invalid_command"]
"""Reasons for rejecting a command before it is decided."""

_MAX_TRACE = 512


@dataclass(slots=True)
class Reading:
    """A parsed record. Exactly one of `input_record`, `rejection_reason` and `dead_letter_reason` is set.

    `id` becomes the causation id of the records it leads to, `subject` the subject of a rejection.
    """

    record: ConsumerRecord
    id: str
    envelope: Envelope | None = None
    command: bool = False
    subject: str | None = None
    incoming: Incoming | None = None
    refused: Unread | None = None
    detail: str | None = None
    dead: DeadLetterReason | None = None


class Intake:
    """Parses the records of one service's input topics."""

    def __init__(self, layout: Layout, prefix: str, count: int) -> None:
        self._count = count
        self._inputs = {entry.topic.name(prefix): entry for entry in layout.inputs}
        self._models = {
            name: {envelope.type_of(model.__name__): model for model in entry.models}
            for name, entry in self._inputs.items()
        }

    def read(self, record: ConsumerRecord) -> Reading:
        """Return the record parsed according to the kind of its topic."""
        entry = self._inputs[record.topic]
        if entry.kind == "commands":
            return self._command(record, entry)
        if entry.kind == "facts" and record.value is None:
            return self._tombstone(record, entry)
        return self._fact(record, entry)

    def _command(self, record: ConsumerRecord, entry: Input) -> Reading:
        try:
            event = envelope.decode(record.value, record.headers)
        except envelope.NotACloudEvent:
            return Reading(record, position(record), dead="not_a_cloud_event")
        key = _key(record)
        subject = echoed(event.subject)
        reading = Reading(record, event.id, event, command=True, subject=subject or key)
        model = self._models[record.topic].get(event.type)
        if not self._lies_right(record, subject):
            reading.refused = "wrong_partition"
        elif model is None:
            reading.refused = "unknown_command"
        elif subject is None or key != subject or not is_id(event.id):
            reading.refused = "invalid_command"
            reading.detail = (
                "The command's subject, key and roomId differ or are missing, or its id is no id."
            )
        else:
            self._validate(reading, entry, model, subject)
        return reading

    def _lies_right(self, record: ConsumerRecord, subject: str | None) -> bool:
        if subject is not None:
            return bool(partitions.partition_of(subject, self._count) == record.partition)
        return kept_key(record) is None or self._own_partition(record)

    def _own_partition(self, record: ConsumerRecord) -> bool:
        return bool(partitions.partition_of_bytes(record.key, self._count) == record.partition)

    def _validate(self, reading: Reading, entry: Input, model: type[Message], subject: str) -> None:
        try:
            data = _validated(reading.envelope, model)
        except ValidationError as error:
            reading.refused = "invalid_command"
            reading.detail = sentence(error)
            return
        if getattr(data, entry.key_field) != subject:
            reading.refused = "invalid_command"
            reading.detail = "The command's subject, key and roomId differ."
            return
        reading.incoming = _incoming(reading, entry, subject, data)

    def _tombstone(self, record: ConsumerRecord, entry: Input) -> Reading:
        reading = Reading(record, position(record))
        key = _key(record)
        if record.key is None:
            reading.dead = "not_a_cloud_event"
        elif not self._own_partition(record):
            reading.dead = "wrong_partition"
        elif key is None or not is_id(key):
            reading.dead = "invalid_fact"
        else:
            reading.incoming = _incoming(reading, entry, key, None)
        return reading

    def _fact(self, record: ConsumerRecord, entry: Input) -> Reading:
        try:
            event = envelope.decode(record.value, record.headers)
        except envelope.NotACloudEvent:
            return Reading(record, position(record), dead="not_a_cloud_event")
        reading = Reading(record, event.id, event)
        model = self._models[record.topic].get(event.type)
        key = _key(record)
        if record.key is not None and not self._own_partition(record):
            reading.dead = "wrong_partition"
        elif model is None:
            reading.dead = "unknown_fact"
        else:
            try:
                data = _validated(event, model)
            except ValidationError:
                reading.dead = "invalid_fact"
                return reading
            if key is None or not key == event.subject == getattr(data, entry.key_field):
                reading.dead = "invalid_fact"
                return reading
            reading.incoming = _incoming(reading, entry, key, data)
        return reading


def position(record: ConsumerRecord) -> str:
    """Return the record's position as `<topic>:<partition>:<offset>`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def echoed(text: str | None) -> str | None:
    """Return the text, or None if it is too long to be copied into an output record."""
    return text if text is not None and len(text) <= envelope.MAX_ECHO else None


def kept_key(record: ConsumerRecord) -> bytes | None:
    """Return the record's key, or None if it is too long to be copied into an output record."""
    key: bytes | None = record.key
    return key if key is not None and len(key.decode(errors="replace")) <= envelope.MAX_ECHO else None


def trace(event: Envelope | None) -> tuple[str | None, str | None]:
    """Return (traceparent, tracestate) to copy into output records, each None if absent or too long."""
    if event is None or event.traceparent is None or len(event.traceparent) > _MAX_TRACE:
        return None, None
    state = event.tracestate
    return event.traceparent, state if state is not None and len(state) <= _MAX_TRACE else None


def sentence(error: ValidationError) -> str:
    """Return a sentence about the first invalid field of a command's data, without quoting the data."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "extra_forbidden":
        return "The command's data has a field that is not known."
    where = ".".join(str(part) for part in first["loc"]) or "data"
    return f"The command's data breaks its schema at {where}: {first['msg']}."


def _validated(event: Envelope | None, model: type[Message]) -> Message:
    data = event.data if event is not None else None
    if isinstance(data, dict) and None in data.values():
        data = envelope.without_nulls(data)
    return model.__pydantic_validator__.validate_python(data, by_alias=True, by_name=False)  # type: ignore[no-any-return]


def _incoming(reading: Reading, entry: Input, key: str, data: Message | None) -> Incoming:
    record = reading.record
    return Incoming(
        record.partition,
        entry.topic,
        record.offset,
        timestamps.from_ms(record.timestamp),
        key,
        reading.id,
        data,
    )


def _key(record: ConsumerRecord) -> str | None:
    if record.key is None:
        return None
    try:
        key: str = record.key.decode()
    except UnicodeDecodeError:
        return None
    return key if len(key) <= envelope.MAX_ECHO and "\x00" not in key else None


def named(event: Envelope | None) -> tuple[str | None, str | None, str | None]:
    """Return the room, invitation and actor ids in a command's data, each None unless it is a valid id."""
    data = event.data if event is not None else None
    if not isinstance(data, dict):
        return None, None, None
    return _sound(data.get("roomId")), _sound(data.get("invitationId")), _sound(data.get("actorId"))


def _sound(text: object) -> str | None:
    return text if isinstance(text, str) and is_id(text) else None
