"""The part of JSON Schema (draft 2020-12) used by the exported schemas; other keywords raise an error."""

import re
from typing import Any

_REMARKS = {"$schema", "$id", "$defs", "title", "description", "default"}
_TYPES: dict[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def is_valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Return whether the value is valid against the schema."""
    return all(
        _CHECKS[keyword](value, wanted, schema, root)
        for keyword, wanted in schema.items()
        if keyword not in _REMARKS
    )


def _reference(value: Any, wanted: str, _: Any, root: dict[str, Any]) -> bool:
    assert wanted.startswith("#/$defs/")
    return is_valid(value, root["$defs"][wanted.removeprefix("#/$defs/")], root)


def _properties(value: Any, wanted: dict[str, Any], _: Any, root: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        is_valid(field, wanted[name], root) for name, field in value.items() if name in wanted
    )


def _additional(value: Any, wanted: Any, schema: dict[str, Any], _: Any) -> bool:
    assert wanted is False
    return not isinstance(value, dict) or value.keys() <= schema["properties"].keys()


def _pattern(value: Any, wanted: str, *_: Any) -> bool:
    # ECMA-262's `$` matches only at the very end; Python's also matches before a final newline.
    return not isinstance(value, str) or bool(re.search(wanted.removesuffix("$") + r"\Z", value))


_CHECKS: dict[str, Any] = {
    "type": lambda value, wanted, *_: _TYPES[wanted](value),
    "const": lambda value, wanted, *_: value == wanted,
    "enum": lambda value, wanted, *_: value in wanted,
    "minimum": lambda value, wanted, *_: not _TYPES["integer"](value) or value >= wanted,
    "maximum": lambda value, wanted, *_: not _TYPES["integer"](value) or value <= wanted,
    "minLength": lambda value, wanted, *_: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda value, wanted, *_: not isinstance(value, str) or len(value) <= wanted,
    "pattern": _pattern,
    "required": lambda value, wanted, *_: not isinstance(value, dict) or value.keys() >= set(wanted),
    "properties": _properties,
    "additionalProperties": _additional,
    "items": lambda value, wanted, _, root: (
        not isinstance(value, list) or all(is_valid(item, wanted, root) for item in value)
    ),
    "anyOf": lambda value, wanted, _, root: any(is_valid(value, schema, root) for schema in wanted),
    "$ref": _reference,
}
