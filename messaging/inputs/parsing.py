"""Parse Kafka records into input records, rejections and dead letters."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

import msgspec
from aiokafka import ConsumerRecord
from pydantic import ValidationError

from cohost_schemas import envelope, partitions, timestamps
from cohost_schemas.envelope import Correlation, Envelope, UnreadableData
from cohost_schemas.types import Message, is_id, is_stored_id
from messaging.inputs import misplacement
from messaging.inputs.valid_records import StructuredEvent, ValidRecordReader, validate_fields
from messaging.processor import InputRecord, InputTopic
from messaging.tracing.context import MAX_TRACE_LENGTH
from messaging.tracing.tracer import Span

DeadLetterReason = Literal["not_a_cloud_event", "wrong_partition", "unknown_fact", "invalid_fact"]
ParseRejectionReason = Literal["wrong_partition", "unknown_command", "invalid_command"]
"""Reasons for rejecting a command before it is decided."""

_MAX_DESCRIBED_ERRORS = 20


class ParsedRecord(msgspec.Struct):
    """A parsed record. Exactly one of `input_record`, `rejection_reason` and `dead_letter_reason` is set.

    `id` becomes the causation id of the records it leads to, `subject` the subject of a rejection.
    `correlation` is None if the record has no correlation id and no trace. `span` is that of its decision.
    """

    raw_record: ConsumerRecord
    id: str
    envelope: Envelope | StructuredEvent | None = None
    correlation: Correlation | None = None
    is_command: bool = False
    subject: str | None = None
    input_record: InputRecord | None = None
    rejection_reason: ParseRejectionReason | None = None
    detail: str | None = None
    dead_letter_reason: DeadLetterReason | None = None
    span: Span | None = None

    def carry_span(self, span: Span) -> None:
        """Let what follows from the record carry on the span of its decision."""
        self.span = span
        if self.correlation is not None:
            self.correlation = self.correlation._replace(traceparent=span.traceparent)
        if self.input_record is not None:
            self.input_record = msgspec.structs.replace(self.input_record, given_correlation=self.correlation)


class RecordParser:
    """Parses the records of input topics."""

    def __init__(self, inputs: Iterable[InputTopic], prefix: str, partition_count: int) -> None:
        self._partition_count = partition_count
        self._inputs = {entry.topic.full_name(prefix): entry for entry in inputs}
        self._models = {
            name: {envelope.wire_type(model.__name__): model for model in entry.models}
            for name, entry in self._inputs.items()
        }
        self._valid_records = ValidRecordReader(self._inputs, partition_count)

    def parse_record(self, record: ConsumerRecord) -> ParsedRecord:
        """Return the record parsed according to the kind of its topic."""
        return self.parse_valid(record) or self.parse_any(record)

    def parse_valid(self, record: ConsumerRecord) -> ParsedRecord | None:
        """Return the record parsed in a fraction of the time, or None if it is unusual or may be invalid."""
        found = self._valid_records.read_record(record)
        if found is None:
            return None
        event, key, data = found
        input_topic = self._inputs[record.topic]
        is_command = input_topic.kind == "commands"
        parsed = ParsedRecord(record, event.id, event, correlation_of(event), is_command=is_command)
        if is_command:
            parsed.subject = key
        parsed.input_record = _to_input_record(parsed, input_topic, key, data)
        return parsed

    def parse_any(self, record: ConsumerRecord) -> ParsedRecord:
        """Return the record parsed, whatever it is."""
        input_topic = self._inputs[record.topic]
        if input_topic.kind == "commands":
            return self._parse_command(record, input_topic)
        if input_topic.kind == "facts" and record.value is None:
            return self._parse_tombstone(record, input_topic)
        return self._parse_fact(record, input_topic)

    def _parse_command(self, record: ConsumerRecord, input_topic: InputTopic) -> ParsedRecord:
        try:
            event = envelope.decode_event(record.value, record.headers)
        except envelope.NotACloudEvent:
            return ParsedRecord(record, format_position(record), dead_letter_reason="not_a_cloud_event")
        key = _decode_key(record)
        subject = text_within_limit(event.subject)
        parsed = ParsedRecord(
            record, event.id, event, correlation_of(event), is_command=True, subject=subject or key
        )
        model = self._models[record.topic].get(event.type)
        if not self._is_in_right_partition(record, subject):
            parsed.rejection_reason = "wrong_partition"
            parsed.detail = misplacement.describe_wrong_partition(
                record, key_within_limit(record), subject, self._partition_count
            )
        elif model is None:
            parsed.rejection_reason = "unknown_command"
        elif subject is None or key != subject or not is_id(event.id):
            parsed.rejection_reason = "invalid_command"
            parsed.detail = (
                misplacement.describe_key(key_within_limit(record), subject)
                if subject is None or key != subject
                else "The command's id is no id: 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, not . or .."
            )
        else:
            self._validate_command(parsed, input_topic, model, subject)
        return parsed

    def _is_in_right_partition(self, record: ConsumerRecord, subject: str | None) -> bool:
        if subject is not None:
            return bool(partitions.partition_of(subject, self._partition_count) == record.partition)
        return key_within_limit(record) is None or self._is_in_partition_of_key(record)

    def _is_in_partition_of_key(self, record: ConsumerRecord) -> bool:
        return bool(partitions.partition_of_bytes(record.key, self._partition_count) == record.partition)

    def _validate_command(
        self, parsed: ParsedRecord, input_topic: InputTopic, model: type[Message], subject: str
    ) -> None:
        fields = _present_fields(parsed.envelope)
        # Before the model: its error about 60 000 unknown fields would have 60 000 parts.
        if isinstance(fields, dict) and not fields.keys() <= _field_names(model):
            parsed.rejection_reason = "invalid_command"
            parsed.detail = "The command's data has a field that is not known."
            return
        try:
            data = validate_fields(fields, model)
        except ValidationError as error:
            parsed.rejection_reason = "invalid_command"
            parsed.detail = (
                "The command's data_base64 is not base64 of UTF-8 JSON, or stands beside data."
                if isinstance(fields, UnreadableData)
                else describe_validation_error(error)
            )
            return
        if getattr(data, input_topic.key_field) != subject:
            parsed.rejection_reason = "invalid_command"
            parsed.detail = "The command's subject, key and roomId differ."
            return
        parsed.input_record = _to_input_record(parsed, input_topic, subject, data)

    def _parse_tombstone(self, record: ConsumerRecord, input_topic: InputTopic) -> ParsedRecord:
        position = format_position(record)
        trace = envelope.trace_of_headers(record.headers)
        parsed = ParsedRecord(record, position, correlation=_limited_correlation(position, None, *trace))
        key = _decode_key(record)
        if record.key is None:
            parsed.dead_letter_reason = "not_a_cloud_event"
        elif not self._is_in_partition_of_key(record):
            parsed.dead_letter_reason = "wrong_partition"
        elif key is None or not is_stored_id(key):
            parsed.dead_letter_reason = "invalid_fact"
        else:
            parsed.input_record = _to_input_record(parsed, input_topic, key, None)
        return parsed

    def _parse_fact(self, record: ConsumerRecord, input_topic: InputTopic) -> ParsedRecord:
        """Parse a fact, an event or a signal; an invalid one becomes a dead letter."""
        try:
            event = envelope.decode_event(record.value, record.headers)
        except envelope.NotACloudEvent:
            return ParsedRecord(record, format_position(record), dead_letter_reason="not_a_cloud_event")
        parsed = ParsedRecord(record, event.id, event, correlation_of(event))
        model = self._models[record.topic].get(event.type)
        key = _decode_key(record)
        if record.key is not None and not self._is_in_partition_of_key(record):
            parsed.dead_letter_reason = "wrong_partition"
        elif model is None:
            parsed.dead_letter_reason = "unknown_fact"
        else:
            try:
                data = validate_fields(_present_fields(event), model)
            except ValidationError:
                parsed.dead_letter_reason = "invalid_fact"
                return parsed
            if key is None or not key == event.subject == getattr(data, input_topic.key_field):
                parsed.dead_letter_reason = "invalid_fact"
                return parsed
            parsed.input_record = _to_input_record(parsed, input_topic, key, data)
        return parsed


def format_position(record: ConsumerRecord) -> str:
    """Return the record's position as `<topic>:<partition>:<offset>`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def text_within_limit(text: str | None) -> str | None:
    """Return the text, or None if it is too long to be copied into an output record."""
    return text if text is not None and len(text) <= envelope.MAX_ECHO_LENGTH else None


def key_within_limit(record: ConsumerRecord) -> bytes | None:
    """Return the record's key, or None if it is too long to be copied into an output record."""
    key: bytes | None = record.key
    return key if key is not None and len(key.decode(errors="replace")) <= envelope.MAX_ECHO_LENGTH else None


def correlation_of(event: Envelope | StructuredEvent) -> Correlation | None:
    """Return what to copy into output records, without what is too long; None if nothing is left."""
    if event.correlationid is None and event.traceparent is None:
        return None
    return _limited_correlation(event.id, event.correlationid, event.traceparent, event.tracestate)


def _limited_correlation(
    record_id: str, correlation_id: str | None, parent: str | None, state: str | None
) -> Correlation | None:
    correlation_id = text_within_limit(correlation_id)
    if parent is None or len(parent) > MAX_TRACE_LENGTH:
        return None if correlation_id is None else Correlation(correlation_id)
    if state is not None and len(state) > MAX_TRACE_LENGTH:
        state = None
    return Correlation(correlation_id or record_id, parent, state)


def describe_validation_error(error: ValidationError) -> str:
    """Return a sentence about the first invalid field of a command's data, without quoting the data."""
    if error.error_count() > _MAX_DESCRIBED_ERRORS:
        return "The command's data breaks its schema in many places."
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "data"
    return f"The command's data breaks its schema at {where}: {first['msg']}."


@lru_cache(maxsize=64)
def _field_names(model: type[Message]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _present_fields(event: Envelope | StructuredEvent | None) -> Any:
    """Return the event's data, without its null fields if it is an object."""
    data = event.data if event is not None else None
    return envelope.without_nulls(data) if isinstance(data, dict) and None in data.values() else data


def _to_input_record(
    parsed: ParsedRecord, input_topic: InputTopic, key: str, data: Message | None
) -> InputRecord:
    record = parsed.raw_record
    return InputRecord(
        record.partition,
        input_topic.topic,
        record.offset,
        timestamps.from_ms(record.timestamp),
        key,
        parsed.id,
        data,
        parsed.correlation,
    )


def _decode_key(record: ConsumerRecord) -> str | None:
    if record.key is None:
        return None
    try:
        key: str = record.key.decode()
    except UnicodeDecodeError:
        return None
    return key if len(key) <= envelope.MAX_ECHO_LENGTH and "\x00" not in key else None
