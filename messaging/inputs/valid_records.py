"""Read valid records in their usual form in one pass; `parsing` reads all others, and alone refuses any."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from aiokafka import ConsumerRecord
from msgspec import Meta
from pydantic import ValidationError

from cohost_schemas import envelope
from cohost_schemas.partitions import partition_of
from cohost_schemas.types import Message, is_id
from messaging.inputs.record_size import LARGE_RECORD_BYTES
from messaging.processor import InputTopic

_USUAL_HEADERS = (("content-type", envelope.CONTENT_TYPE),)
_MOST_HEADERS = 32
# Python finds one byte of a value ten times as fast as two.
_BACKSLASH = ord("\\")

_Text = Annotated[str, Meta(min_length=1)]
# Without a limit, the depth at which a decoder gives up would depend on the stack.
_Scalar = str | int | float | bool | None
_FlatJson = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Field = _Scalar | list[_FlatJson] | dict[str, _FlatJson]


class StructuredEvent(msgspec.Struct, forbid_unknown_fields=True):
    """A CloudEvent in structured mode with valid attributes, which are those of an `Envelope`.

    Unknown attributes are unusual: the decoder would skip them without checking their text.
    """

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1, max_length=envelope.MAX_ID_LENGTH)]
    source: _Text
    type: _Text
    data: dict[str, _Field]
    subject: _Text | None = None
    time: _Text | None = None
    correlationid: _Text | None = None
    causationid: _Text | None = None
    sequence: _Text | None = None
    traceparent: _Text | None = None
    tracestate: _Text | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


_decode_json = msgspec.json.Decoder(StructuredEvent).decode


class _DataType(NamedTuple):
    model: type[Message]
    field_count: int
    key_field: str
    is_command: bool


class ValidRecordReader:
    """Reads the valid records of input topics, which are given by their full names."""

    def __init__(self, inputs: Mapping[str, InputTopic], partition_count: int) -> None:
        self._partition_count = partition_count
        self._data_types = {name: _find_data_types(entry) for name, entry in inputs.items()}

    def read_record(self, record: ConsumerRecord) -> tuple[StructuredEvent, str, Message] | None:
        """Return a record's event, key and typed data; None if it is unusual or may be invalid."""
        event = _decode_event(record)
        if event is None:
            return None
        key, fields = event.subject, event.data
        data_type = self._data_types[record.topic].get(event.type)
        if (
            data_type is None
            or key is None
            or key.encode() != record.key
            or partition_of(key, self._partition_count) != record.partition
            or (data_type.is_command and not is_id(event.id))
            # The error about thousands of unknown fields would have thousands of parts.
            or len(fields) > data_type.field_count
        ):
            return None
        try:
            present = envelope.without_nulls(fields) if None in fields.values() else fields
            data = validate_fields(present, data_type.model)
        except ValidationError:
            return None
        return (event, key, data) if getattr(data, data_type.key_field) == key else None


def validate_fields(fields: Any, model: type[Message]) -> Message:
    """Return a record's data typed. Raises `ValidationError`."""
    return model.__pydantic_validator__.validate_python(fields, by_alias=True, by_name=False)  # type: ignore[no-any-return]


def _find_data_types(input_topic: InputTopic) -> dict[str, _DataType]:
    return {
        envelope.wire_type(model.__name__): _DataType(
            model,
            len(model.model_fields),
            input_topic.key_field,
            is_command=input_topic.kind == "commands",
        )
        for model in input_topic.models
    }


def _decode_event(record: ConsumerRecord) -> StructuredEvent | None:
    value, headers = record.value, record.headers
    has_usual_headers = headers == _USUAL_HEADERS
    if (
        value is None
        or len(value) > LARGE_RECORD_BYTES
        # Text that cannot be stored is either escaped, or not UTF-8 or JSON.
        or (_BACKSLASH in value and b"\\u" in value)
        or not (has_usual_headers or (len(headers) <= _MOST_HEADERS and not envelope.is_binary(headers)))
    ):
        return None
    try:
        event = _decode_json(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if event.traceparent is None and not has_usual_headers:
        traceparent, tracestate = envelope.trace_of_headers(headers)
        if traceparent is not None:
            event.traceparent, event.tracestate = traceparent, tracestate
    return event
