"""Bodies of commands and facts: the messages' own fields, without the ids that are in the path."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from cohost_schemas.export import json_schema
from cohost_schemas.types import CommandData, Message
from services.runtime.http import bodies


def build_command(model: type[CommandData], ids: Mapping[str, str], fields: dict[str, Any]) -> CommandData:
    """Return the command with these ids and a body's fields. Raises `HttpProblem` (422)."""
    bodies.refuse_unknown(fields, _body_names(model, frozenset(ids)))
    return bodies.validate(model, {**fields, **ids})


def document_body(model: type[Message], ids: Collection[str]) -> dict[str, Any]:
    """Return the OpenAPI request body of a message whose `ids` are not in the body."""
    schema = json_schema.model_definitions([model])[model.__name__]
    required = [name for name in schema.get("required", ()) if name not in ids]
    properties = {name: field for name, field in schema["properties"].items() if name not in ids}
    own = {name: value for name, value in schema.items() if name not in ("required", "title")}
    body = {**own, "properties": properties, **({"required": required} if required else {})}
    return {"required": bool(required), "content": {"application/json": {"schema": body}}}


@lru_cache(maxsize=64)
def _body_names(model: type[CommandData], ids: frozenset[str]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items()) - ids
