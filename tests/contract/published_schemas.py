"""Judge messages by the published schemas, with jsonschema."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

_FOLDER = Path(__file__).parents[2] / "schemas" / "json"


def _pattern_errors(_: Validator, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # ECMA-262's `$` matches only at the very end; Python's also matches before a final newline.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern_errors})


def validator_for(schema: dict[str, Any]) -> Validator:
    """Return the validator of a schema. Raises `SchemaError` if it is not one of draft 2020-12."""
    _Validator.check_schema(schema)
    return _Validator(schema)


@cache
def published_validator(name: str) -> Validator:
    """Return the validator of the file for an event type, for example `InvitationSent`."""
    return validator_for(json.loads((_FOLDER / f"{name}.v1.json").read_text(encoding="utf-8")))
