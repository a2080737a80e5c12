"""Explain why a record was refused: which attribute or field, what it must be, and what it is.

The parser alone decides. This checks again what it refused, in its order, and collects all faults.
"""

import json
from collections.abc import Iterator
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope, NotACloudEvent, UnreadableData
from cohost_schemas.partitions import partition_of, partition_of_bytes
from cohost_schemas.types import Message, is_id
from messaging.inputs import misplacement
from messaging.inputs.field_faults import (
    ID_RULE,
    STORED_ID_RULE,
    describe_fault,
    describe_validation,
    show_value,
)
from messaging.inputs.parsing import ParsedRecord
from messaging.inputs.valid_records import StructuredEvent
from messaging.processor import InputTopic


def explain_refusal(parsed: ParsedRecord, input_topic: InputTopic, partition_count: int) -> str | None:
    """Return why the parser has refused a record, a line for each fault; None if it has not."""
    reason = parsed.dead_letter_reason or parsed.rejection_reason
    match reason:
        case None:
            return None
        case "not_a_cloud_event":
            lines = list(_explain_envelope(parsed.raw_record))
        case "wrong_partition":
            lines = [_explain_partition(parsed, partition_count)]
        case "unknown_fact" | "unknown_command":
            lines = [_explain_type(parsed.envelope, input_topic)]
        case _:
            lines = list(_explain_data(parsed, input_topic))
    text = "\n".join(lines) or parsed.detail or f"The record is refused with {reason}."
    # JSON may have lone surrogates, in values and names, which no answer in UTF-8 can have.
    return text.encode(errors="backslashreplace").decode()


def _explain_envelope(record: ConsumerRecord) -> Iterator[str]:
    if record.value is None:
        if record.key is None:
            yield "key: must be the id of a room or user; it is absent"
        else:
            yield "value: must be a CloudEvent; it is null, which only facts about rooms and users may be"
        return
    is_binary = envelope.is_binary(record.headers)
    if not record.value and not is_binary:
        yield "value: must be a CloudEvent; it is empty"
        return
    try:
        parsed = {} if is_binary else envelope.parse_json(record.value)
    except NotACloudEvent as error:
        yield f"value: must be a JSON object in UTF-8; {_describe_json_fault(error, record.value)}"
        return
    if isinstance(parsed, dict):
        attributes, _ = envelope.decode_attributes(record.value, record.headers)
        yield from _explain_attributes(attributes, "ce_" if is_binary else "")
    else:
        yield describe_fault("value", "must be a JSON object", parsed)


def _describe_json_fault(error: NotACloudEvent, value: bytes) -> str:
    cause = error.__cause__
    if isinstance(cause, json.JSONDecodeError):
        return f"it is not JSON: {cause.msg} at line {cause.lineno}, column {cause.colno}"
    if isinstance(cause, UnicodeDecodeError):
        return f"byte {cause.start} is 0x{value[cause.start]:02x}, which is not UTF-8 there"
    if isinstance(cause, RecursionError):
        return "it is nested too deeply"
    if cause is None:
        return f"it has {len(value)} bytes, and too many of the characters , [ and {{ for more than 1 MiB"
    return "it has NaN or Infinity, which are not JSON"


def _explain_attributes(attributes: dict[str, Any], prefix: str) -> Iterator[str]:
    version = attributes.get("specversion")
    if version != "1.0":
        yield describe_fault(f"{prefix}specversion", 'must be "1.0"', version)
    for name in ("id", "source", "type"):
        value = attributes.get(name)
        if not isinstance(value, str) or not value:
            yield describe_fault(f"{prefix}{name}", "must be text that is not empty", value)
        elif name == "id" and len(value) > envelope.MAX_ID_LENGTH:
            rule = f"must have at most {envelope.MAX_ID_LENGTH} characters; it has {len(value)}"
            yield describe_fault(f"{prefix}{name}", rule, value)
    for name, value in attributes.items():
        if name != "data" and not envelope.is_storable(value):
            rule = "must have no U+0000 and no lone surrogate"
            yield describe_fault(f"{prefix}{name}", rule, value.encode(errors="backslashreplace"))


def _explain_partition(parsed: ParsedRecord, partition_count: int) -> str:
    record = parsed.raw_record
    if parsed.is_command and parsed.subject is not None:
        expected, of_what = (
            partition_of(parsed.subject, partition_count),
            f"subject {show_value(parsed.subject)}",
        )
    else:
        expected, of_what = partition_of_bytes(record.key, partition_count), f"key {show_value(record.key)}"
    cause = (
        misplacement.describe_partitioner(record.partition, record.key, partition_count)
        if record.key is not None
        else "It has no key."
    )
    rule = f"must be {expected}, by murmur2 of the {of_what} and {partition_count} partitions"
    return f"{describe_fault('partition', rule, record.partition)}. {cause}"


def _explain_type(event: Envelope | StructuredEvent | None, input_topic: InputTopic) -> str:
    known = ", ".join(envelope.wire_type(model.__name__) for model in input_topic.models)
    return describe_fault("type", f"must be one of {known}", event.type if event is not None else None)


def _explain_data(parsed: ParsedRecord, input_topic: InputTopic) -> Iterator[str]:
    event, key = parsed.envelope, parsed.raw_record.key
    if event is None:
        yield describe_fault("key", STORED_ID_RULE, key)
        return
    if parsed.is_command and not is_id(event.id):
        yield describe_fault("id", ID_RULE, event.id)
    fields = envelope.without_nulls(event.data) if isinstance(event.data, dict) else event.data
    if isinstance(fields, UnreadableData):
        yield "data_base64: must be base64 of JSON in UTF-8, without data beside it"
        return
    try:
        _find_model(event, input_topic).model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        yield from describe_validation(error, "data")
    name = to_camel(input_topic.key_field)
    owner_id = fields.get(name) if isinstance(fields, dict) else None
    if isinstance(owner_id, str):
        rule = f"must be data.{name}, {show_value(owner_id)}"
        if key != owner_id.encode(errors="replace"):
            yield describe_fault("key", rule, key)
        if event.subject != owner_id:
            yield describe_fault("subject", rule, event.subject)


def _find_model(event: Envelope | StructuredEvent, input_topic: InputTopic) -> type[Message]:
    return next(model for model in input_topic.models if envelope.wire_type(model.__name__) == event.type)
