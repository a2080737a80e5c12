"""JSON Schemas (draft 2020-12) of the messages: a message's data, and the CloudEvent that carries it."""

import inspect
from collections.abc import Iterable
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import CoreSchema

from cohost_schemas import envelope
from cohost_schemas.export import catalog
from cohost_schemas.rejections import CommandRejected
from cohost_schemas.types import ID_PATTERN, Message

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE_TEMPLATE = "#/$defs/{model}"

_NULL = {"type": "null"}
_TEXT: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\x00]*$"}
_ID: Schema = {"type": "string", "pattern": ID_PATTERN}
_ATTRIBUTES: dict[str, Schema] = {
    "specversion": {"const": "1.0"},
    "id": {**_TEXT, "maxLength": envelope.MAX_ID_LENGTH, "description": "Unique over all sources and rooms."},
    "source": {**_TEXT, "description": "URI-reference of the writer."},
    "type": {**_TEXT, "description": "`cohost.<Name>.v1`."},
    "subject": {"type": "string", "description": "The room's id; the user's id on `users`."},
    "time": {"type": "string", "description": "RFC 3339, UTC, milliseconds."},
    "datacontenttype": {"type": "string", "default": "application/json"},
    "correlationid": {"type": "string", "description": "Copied from the cause, otherwise the cause's id."},
    "causationid": {
        "type": "string",
        "description": "The id of the causing record; <topic>:<partition>:<offset> of a tombstone.",
    },
    "sequence": {
        "type": "string",
        "pattern": "^[0-9]{20}$",
        "description": "Dense from 1 per topic and partition.",
    },
    "traceparent": {"type": "string", "description": "W3C Trace Context, carried through."},
    "tracestate": {"type": "string", "description": "W3C Trace Context, carried through."},
}
_DATA_BASE64: Schema = {
    "type": ["string", "null"],
    "contentEncoding": "base64",
    "contentMediaType": "application/json",
    "description": "The data as base64 of its JSON, in place of `data`. The services never write it.",
}
# Null equals absent, so that `required` alone does not tell whether there is data.
_EITHER_DATA: list[Schema] = [
    {"required": ["data"], "properties": {"data": {"not": _NULL}}},
    {"required": ["data_base64"], "properties": {"data_base64": {"not": _NULL}}},
]
_BASE_ATTRIBUTES = ("specversion", "id", "source", "type")
_INPUT_ATTRIBUTES = (*_BASE_ATTRIBUTES, "subject")
_OUTPUT_ATTRIBUTES = (
    *_INPUT_ATTRIBUTES,
    "data",
    "time",
    "datacontenttype",
    "correlationid",
    "causationid",
    "sequence",
)


class _SchemaGenerator(GenerateJsonSchema):
    """A generator that omits titles, which would only repeat the field names."""

    def field_title_should_be_set(self, schema: CoreSchema | FieldInfo) -> bool:  # noqa: ARG002 - pydantic's
        """Return False for every field."""
        return False


def model_definitions(
    models: Iterable[type[Message]], ref_template: str = REFERENCE_TEMPLATE
) -> dict[str, Schema]:
    """Return the schemas of the models' data and of all referenced types, by name."""
    models_with_mode = [(model, "validation") for model in models]
    _, document = models_json_schema(
        models_with_mode,  # type: ignore[arg-type]
        by_alias=True,
        ref_template=ref_template,
        schema_generator=_SchemaGenerator,
    )
    return {name: _allow_nulls(schema) for name, schema in document["$defs"].items()}


def cloud_event_schema(model: type[Message], ref_template: str = REFERENCE_TEMPLATE) -> Schema:
    """Return the schema of the CloudEvent that carries the model, with a reference for its data."""
    name = model.__name__
    attributes = {
        **_ATTRIBUTES,
        "type": {"const": envelope.wire_type(name)},
        "subject": _subject_schema(model),
    }
    if model in catalog.COMMANDS:
        attributes["id"] = {**_ID, "description": "The command's idempotency key."}
    schema: Schema = {
        "title": envelope.wire_type(name),
        "description": inspect.cleandoc(model.__doc__ or ""),
        "type": "object",
        "properties": {**attributes, "data": {"$ref": ref_template.format(model=name)}},
        "required": list(_OUTPUT_ATTRIBUTES),
    }
    if model in catalog.COMMANDS + catalog.FACTS:
        schema["properties"] |= {
            "data": _allow_null(schema["properties"]["data"]),
            "data_base64": _DATA_BASE64,
        }
        schema["required"] = list(_INPUT_ATTRIBUTES)
        schema["oneOf"] = _EITHER_DATA
    return schema


def schema_document(model: type[Message]) -> Schema:
    """Return the self-contained schema of the CloudEvent that carries the model."""
    head = {"$schema": DIALECT, "$id": f"{model.__name__}.v1.json"}
    return {**head, **cloud_event_schema(model), "$defs": model_definitions([model])}


def envelope_schema() -> Schema:
    """Return the schema of the envelope, with any data."""
    return {
        "$schema": DIALECT,
        "$id": "CloudEvent.v1.json",
        "title": "CloudEvent",
        "description": "A CloudEvents 1.0 event in JSON format, with the contract's extensions.",
        "type": "object",
        "properties": {**_ATTRIBUTES, "data": {}, "data_base64": _DATA_BASE64},
        "required": list(_BASE_ATTRIBUTES),
    }


def _subject_schema(model: type[Message]) -> Schema:
    if model is CommandRejected:
        description = "The command's subject, else its key, else `-`."
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": envelope.MAX_ECHO_LENGTH,
            "description": description,
        }
    return {**_ID, "description": _ATTRIBUTES["subject"]["description"]}


def _allow_nulls(schema: Schema) -> Schema:
    """Allow null for every optional field: on the wire null means absent."""
    required = schema.get("required", ())
    fields = {
        name: field if name in required else _allow_null(field)
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "properties": fields}


def _allow_null(field: Schema) -> Schema:
    default = {"default": field["default"]} if field.get("default") is not None else {}
    kind = {name: value for name, value in field.items() if name != "default"}
    either = kind.get("anyOf", [kind])
    return {"anyOf": [*either, *([] if _NULL in either else [_NULL])], **default}
