"""Parse input records by the contract: to a cause id or to a dead letter reason."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from cohost.audit.topology import InputTopic, LogRecord
from cohost_schemas import envelope, partitions
from cohost_schemas.envelope import Envelope
from cohost_schemas.types import Message, is_stored_id


class ParsedInput(NamedTuple):
    """The id that outputs have as their `causationid`, or the dead letter reason; never both."""

    cause_id: str | None
    dead_letter_reason: str | None


class InputParser:
    """Parse the records of one input topic."""

    def __init__(self, input_topic: InputTopic, partition_count: int) -> None:
        self._input_topic = input_topic
        self._partition_count = partition_count
        self._models: Mapping[str, type[Message]] = {
            envelope.wire_type(model.__name__): model for model in input_topic.models
        }

    def parse_record(self, record: LogRecord) -> ParsedInput:
        """Return the record's cause id or dead letter reason."""
        if self._input_topic.kind == "facts" and record.value is None:
            dead_letter_reason = self._check_tombstone(record.key, record.partition)
            return ParsedInput(None if dead_letter_reason else record_position(record), dead_letter_reason)
        try:
            event = envelope.decode_event(record.value, record.headers)
        except envelope.NotACloudEvent:
            return ParsedInput(None, "not_a_cloud_event")
        if self._input_topic.kind == "commands":
            return ParsedInput(event.id, None)
        dead_letter_reason = self._check_fact(record, event)
        return ParsedInput(None if dead_letter_reason else event.id, dead_letter_reason)

    def _check_tombstone(self, key: bytes | None, partition: int) -> str | None:
        if key is None:
            return "not_a_cloud_event"
        if partitions.partition_of_bytes(key, self._partition_count) != partition:
            return "wrong_partition"
        return None if is_stored_id(key.decode(errors="replace")) else "invalid_fact"

    def _check_fact(self, record: LogRecord, event: Envelope) -> str | None:
        key = record.key
        if key is not None and partitions.partition_of_bytes(key, self._partition_count) != record.partition:
            return "wrong_partition"
        model = self._models.get(event.type)
        if model is None:
            return "unknown_fact"
        subject_id = _subject_id(event, model, self._input_topic.key_field)
        agree = (
            key is not None
            and subject_id is not None
            and key == subject_id.encode()
            and event.subject == subject_id
        )
        return None if agree else "invalid_fact"


def record_position(record: LogRecord) -> str:
    """Return `<topic>:<partition>:<offset>`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def _subject_id(event: Envelope, model: type[Message], field: str) -> str | None:
    """Return the data's room or user id, None if the data breaks its schema."""
    data = event.data
    if isinstance(data, dict):
        data = envelope.without_nulls(data)
    try:
        subject_id: str = getattr(model.model_validate(data, by_alias=True, by_name=False), field)
    except ValidationError:
        return None
    return subject_id
