"""CloudEvents 1.0 in the Kafka protocol binding (contract, section 1)."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TypeGuard

from pydantic_core import from_json, to_json

CONTENT_TYPE = b"application/cloudevents+json; charset=utf-8"
TYPE_PREFIX = "cohost."
TYPE_SUFFIX = ".v1"
MAX_ID = 64
MAX_ECHO = 256

Headers = Sequence[tuple[str, bytes | None]]

_STRUCTURED = b"application/cloudevents"
_EXTENSIONS = ("correlationid", "causationid", "sequence", "traceparent", "tracestate")
_ANY_EXTENSION = frozenset(_EXTENSIONS)


class NotACloudEvent(ValueError):
    """The record is not a CloudEvent and must become a dead letter. The name is the contract's reason."""


class Envelope(NamedTuple):
    """A decoded CloudEvent: valid `id`, `source`, `type`; other attributes text or None, `data` any JSON."""

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


def type_of(name: str) -> str:
    """Return the wire type of a model name, such as `cohost.SendInvitation.v1`."""
    return f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}"


def name_of(type_: str) -> str:
    """Return the model name of a wire type, or the type itself if it is not a Co-Host type."""
    if type_.startswith(TYPE_PREFIX) and type_.endswith(TYPE_SUFFIX):
        return type_[len(TYPE_PREFIX) : -len(TYPE_SUFFIX)]
    return type_


def decode(value: bytes | None, headers: Headers) -> Envelope:
    """Decode a record's value and headers, in structured or binary mode.

    Raises `NotACloudEvent`.
    """
    if value is None:
        msg = "the value is null"
        raise NotACloudEvent(msg)
    if _is_binary(headers):
        return _checked(_binary(value, dict(headers)), escaped=True)
    event = _parse(value)
    if not isinstance(event, dict):
        msg = "the value is not a JSON object"
        raise NotACloudEvent(msg)
    # Without a \u escape, the JSON parser or UTF-8 has already rejected every invalid character.
    return _checked(event, escaped=b"\\u" in value)


def encode(event: dict[str, Any]) -> bytes:
    """Return the JSON of a CloudEvent given as a dictionary; its `data` may contain models."""
    return to_json(event, by_alias=True)


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without its null fields: on the wire null means absent."""
    return {name: value for name, value in data.items() if value is not None}


def _is_binary(headers: Headers) -> bool:
    for name, _ in headers:
        if name == "ce_specversion":
            content_type = dict(headers).get("content-type") or b""
            return not content_type.lower().startswith(_STRUCTURED)
    return False


def _parse(value: bytes) -> Any:
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        return _parse_slowly(value)


def _parse_slowly(value: bytes) -> Any:
    # jiter rejects three valid forms of JSON: lone surrogates, huge integers, deep nesting.
    try:
        return json.loads(value.decode(), parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        msg = "the value is not JSON"
        raise NotACloudEvent(msg) from error


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 4000 else float("inf")  # noqa: PLR2004 - Python's own limit is 4300 digits


def _binary(value: bytes, headers: dict[str, bytes | None]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, raw in headers.items():
        if name.startswith("ce_") and raw is not None:
            try:
                event[name[3:]] = raw.decode()
            except UnicodeDecodeError:
                continue
    try:
        event["data"] = _parse(value)
    except NotACloudEvent:
        event["data"] = None
    return event


def _checked(event: dict[str, Any], *, escaped: bool) -> Envelope:
    get = event.get
    id_, source, type_ = get("id"), get("source"), get("type")
    if get("specversion") != "1.0":
        msg = "specversion is not 1.0"
        raise NotACloudEvent(msg)
    if not (_sound(id_) and _sound(source) and _sound(type_) and len(id_) <= MAX_ID):
        msg = "id, source or type is missing, empty, not a string, or the id is too long"
        raise NotACloudEvent(msg)
    if escaped and not all(_storable(text) for name, text in event.items() if name != "data"):
        msg = "an attribute has a character that cannot be stored"
        raise NotACloudEvent(msg)
    subject, time = _text(get("subject")), _text(get("time"))
    if _ANY_EXTENSION.isdisjoint(event):
        return Envelope(id_, source, type_, get("data"), subject, time)
    extensions = [_text(get(name)) for name in _EXTENSIONS]
    return Envelope(id_, source, type_, get("data"), subject, time, *extensions)


def _text(attribute: Any) -> str | None:
    return attribute if isinstance(attribute, str) and attribute else None


def _sound(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and text != ""


def _storable(attribute: Any) -> bool:
    # Postgres rejects U+0000. Only `_parse_json_slowly` accepts lone surrogates.
    return not isinstance(attribute, str) or not any(
        character == "\x00" or "\ud800" <= character <= "\udfff" for character in attribute
    )
