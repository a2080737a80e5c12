"""CloudEvents 1.0 in the Kafka protocol binding (contract, section 1)."""

import binascii
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TypeGuard

from pydantic_core import from_json, to_json

CONTENT_TYPE = b"application/cloudevents+json; charset=utf-8"
TYPE_PREFIX = "cohost."
TYPE_SUFFIX = ".v1"
MAX_ID_LENGTH = 64
MAX_ECHO_LENGTH = 256

Headers = Sequence[tuple[str, bytes | None]]

_LARGE_VALUE_BYTES = 1024 * 1024
_MAX_LARGE_VALUE_PARTS = 200_000

_STRUCTURED_TYPE = b"application/cloudevents"
_EXTENSION_NAMES = ("correlationid", "causationid", "sequence", "traceparent", "tracestate")
_EXTENSION_SET = frozenset(_EXTENSION_NAMES)
# Postgres rejects U+0000. Only `_parse_json_slowly` accepts lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class NotACloudEvent(ValueError):
    """The record is not a CloudEvent and must become a dead letter. The name is the contract's reason."""


class UnreadableData:
    """The data of an event whose `data_base64` is not JSON or stands beside `data`. It fits no model."""


class Envelope(NamedTuple):
    """A decoded CloudEvent: valid `id`, `source`, `type`; other attributes text or None.

    `data` is any JSON, or `UnreadableData`. The trace is that of the record's headers if the event has none.
    """

    id: str
    source: str
    type: str
    data: Any
    subject: str | None = None
    time: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    sequence: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


class Correlation(NamedTuple):
    """The attributes of a record that everything that follows from it carries on."""

    correlationid: str
    traceparent: str | None = None
    tracestate: str | None = None

    def attributes(self) -> dict[str, str]:
        """Return the attributes that are present."""
        return without_nulls(self._asdict())


def wire_type(name: str) -> str:
    """Return the wire type of a model name, such as `cohost.SendInvitation.v1`."""
    return f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}"


def model_name(event_type: str) -> str:
    """Return the model name of a wire type, or the type itself if it is not a Co-Host type."""
    if event_type.startswith(TYPE_PREFIX) and event_type.endswith(TYPE_SUFFIX):
        return event_type[len(TYPE_PREFIX) : -len(TYPE_SUFFIX)]
    return event_type


def decode_event(value: bytes | None, headers: Headers) -> Envelope:
    """Decode a record's value and headers, in structured or binary mode.

    Raises `NotACloudEvent`.
    """
    if value is None:
        msg = "the value is null"
        raise NotACloudEvent(msg)
    attributes, is_escaped = decode_attributes(value, headers)
    event = _validate_envelope(attributes, escaped=is_escaped)
    return event if event.traceparent is not None else _with_trace_of_headers(event, headers)


def decode_attributes(value: bytes, headers: Headers) -> tuple[dict[str, Any], bool]:
    """Return an event's attributes, unchecked, and whether one may have a character that cannot be stored.

    Raises `NotACloudEvent` for what is not a JSON object.
    """
    if is_binary(headers):
        return _decode_binary(value, dict(headers)), True
    event = parse_json(value)
    if not isinstance(event, dict):
        msg = "the value is not a JSON object"
        raise NotACloudEvent(msg)
    if "data_base64" in event:
        event["data"] = _decode_data(event.get("data"), event.pop("data_base64"))
    # Without a \u escape, the JSON parser or UTF-8 has already rejected every invalid character.
    return event, b"\\u" in value


def build_cloud_event(
    name: str, data: object, *, event_id: str, source: str, subject: str, **optional: str
) -> dict[str, Any]:
    """Return a CloudEvent as a dictionary, for a model name such as `SendInvitation` and its data.

    `optional` has further attributes: `time` and extensions such as `traceparent`.
    """
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": wire_type(name),
        "subject": subject,
        **optional,
        "datacontenttype": "application/json",
        "data": data,
    }


def encode_event(event: dict[str, Any]) -> bytes:
    """Return the JSON of a CloudEvent given as a dictionary; its `data` may contain models."""
    return to_json(event, by_alias=True)


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without its null fields: on the wire null means absent."""
    return {name: value for name, value in data.items() if value is not None}


def is_binary(headers: Headers) -> bool:
    """Return whether a record's attributes are in its headers."""
    for name, _ in headers:
        if name == "ce_specversion":
            content_type = dict(headers).get("content-type") or b""
            return not content_type.lower().startswith(_STRUCTURED_TYPE)
    return False


def _decode_data(data: Any, encoded: Any) -> Any:
    if encoded is None:
        return data
    if data is not None or not isinstance(encoded, str):
        return UnreadableData()
    try:
        return parse_json(binascii.a2b_base64(encoded, strict_mode=True))
    except ValueError:
        return UnreadableData()


def trace_of_headers(headers: Headers) -> tuple[str | None, str | None]:
    """Return the last `traceparent` header and the last `tracestate`; both None without the first."""
    parent = state = None
    for name, value in headers:
        if name == "traceparent":
            parent = value
        elif name == "tracestate":
            state = value
    traceparent = _decode_header(parent)
    return traceparent, None if traceparent is None else _decode_header(state)


def _with_trace_of_headers(event: Envelope, headers: Headers) -> Envelope:
    traceparent, tracestate = trace_of_headers(headers)
    return event if traceparent is None else event._replace(traceparent=traceparent, tracestate=tracestate)


def _decode_header(value: bytes | None) -> str | None:
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if text and "\x00" not in text else None


def parse_json(value: bytes) -> Any:
    """Return any JSON, in bounded time and memory. Raises `NotACloudEvent` for what is not JSON."""
    # Parsed, a few megabytes of such JSON take a gigabyte.
    if len(value) > _LARGE_VALUE_BYTES and sum(map(value.count, (b",", b"[", b"{"))) > _MAX_LARGE_VALUE_PARTS:
        msg = "the value is large and has too many parts"
        raise NotACloudEvent(msg)
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        return _parse_json_slowly(value)


def _parse_json_slowly(value: bytes) -> Any:
    # jiter rejects three valid forms of JSON: lone surrogates, huge integers, deep nesting.
    try:
        return json.loads(value.decode(), parse_constant=_reject_constant, parse_int=_parse_integer)
    except (ValueError, RecursionError) as error:
        msg = "the value is not JSON"
        raise NotACloudEvent(msg) from error


def _reject_constant(_: str) -> NoReturn:
    raise ValueError


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 4000 else float("inf")  # noqa: PLR2004 - Python's own limit is 4300 digits


def _decode_binary(value: bytes, headers: dict[str, bytes | None]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, raw in headers.items():
        if name.startswith("ce_") and raw is not None:
            try:
                event[name[3:]] = raw.decode()
            except UnicodeDecodeError:
                continue
    try:
        event["data"] = parse_json(value)
    except NotACloudEvent:
        event["data"] = None
    return event


def _validate_envelope(event: dict[str, Any], *, escaped: bool) -> Envelope:
    get = event.get
    event_id, source, event_type = get("id"), get("source"), get("type")
    if get("specversion") != "1.0":
        msg = "specversion is not 1.0"
        raise NotACloudEvent(msg)
    if not (
        _is_nonempty_text(event_id)
        and _is_nonempty_text(source)
        and _is_nonempty_text(event_type)
        and len(event_id) <= MAX_ID_LENGTH
    ):
        msg = "id, source or type is missing, empty, not a string, or the id is too long"
        raise NotACloudEvent(msg)
    if escaped and not all(is_storable(text) for name, text in event.items() if name != "data"):
        msg = "an attribute has a character that cannot be stored"
        raise NotACloudEvent(msg)
    subject, time = _text_or_none(get("subject")), _text_or_none(get("time"))
    if _EXTENSION_SET.isdisjoint(event):
        return Envelope(event_id, source, event_type, get("data"), subject, time)
    extensions = [_text_or_none(get(name)) for name in _EXTENSION_NAMES]
    return Envelope(event_id, source, event_type, get("data"), subject, time, *extensions)


def _text_or_none(attribute: Any) -> str | None:
    return attribute if isinstance(attribute, str) and attribute else None


def _is_nonempty_text(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and text != ""


def is_storable(attribute: Any) -> bool:
    """Return whether an attribute is no text with U+0000 or a lone surrogate."""
    return not isinstance(attribute, str) or _UNSTORABLE.search(attribute) is None
