"""Describe which part of a message is wrong: what it must be, and what it is."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cohost_schemas.types import ID_PATTERN, STORED_ID_PATTERN

STORED_ID_RULE = "must be 1 to 64 characters of A-Z a-z 0-9 . _ : @ -"
ID_RULE = f"{STORED_ID_RULE}, and not . or .."

_MAX_VALUE_LENGTH = 100
_MAX_FAULTS = 5
_MAX_LISTED_ERRORS = 1_000
_PATTERN_RULES: Mapping[str, str] = {
    ID_PATTERN: ID_RULE,
    STORED_ID_PATTERN: STORED_ID_RULE,
    r"^[^\x00]*$": "must have no U+0000",
}
_SUBJECT_OF_MESSAGE = re.compile(r"^[A-Z][a-z]+ should ")


def describe_fault(path: str, rule: str, value: Any) -> str:
    """Return a line about one part of a message, such as `data.status: must be one of …; it is "opne"`."""
    return f"{path}: {rule}; it is {show_value(value)}"


def show_value(value: Any) -> str:
    """Return a value as JSON, cut if it is long; None is what is absent, bytes are text where they can be."""
    if value is None:
        return "absent"
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return _cut(f"0x{value[:_MAX_VALUE_LENGTH].hex()}")
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def describe_validation(error: ValidationError, prefix: str) -> list[str]:
    """Return a line for each of the first wrong fields; `prefix` is the path of the validated value."""
    count = error.error_count()
    if count > _MAX_LISTED_ERRORS:
        return [f"{prefix}: breaks its schema in {count} places"]
    errors = error.errors(include_url=False)
    lines = [_describe_error(found, prefix) for found in errors[:_MAX_FAULTS]]
    return [*lines, *([f"{prefix}: and {count - _MAX_FAULTS} more faults"] if count > _MAX_FAULTS else [])]


def _describe_error(error: Any, prefix: str) -> str:
    path = ".".join([prefix, *map(str, error["loc"])])
    if error["type"] == "missing":
        return f"{path}: must be there; it is absent"
    if error["type"] == "extra_forbidden":
        return describe_fault(path, "must not be there", error["input"])
    if error["type"] in {"model_type", "dict_type"}:
        return describe_fault(path, "must be a JSON object", error["input"])
    return describe_fault(path, _describe_rule(error), error["input"])


def _describe_rule(error: Any) -> str:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        expected: str = context["expected"]
        return "must be one of " + expected.replace("'", "").replace(" or ", ", ")
    if error["type"] == "string_pattern_mismatch" and context["pattern"] in _PATTERN_RULES:
        return _PATTERN_RULES[context["pattern"]]
    message: str = error["msg"]
    if _SUBJECT_OF_MESSAGE.match(message):
        return _SUBJECT_OF_MESSAGE.sub("must ", message)
    return message[:1].lower() + message[1:]


def _cut(text: str) -> str:
    cut = text[:_MAX_VALUE_LENGTH]
    return cut if cut == text else f"{cut}… ({len(text)} characters)"
