"""Bodies of commands and facts: JSON objects of bounded size, checked with the messages' own models."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError

from cohost_schemas import envelope
from cohost_schemas.envelope import NotACloudEvent
from cohost_schemas.export import json_schema
from cohost_schemas.types import CommandData, Message
from services.runtime.http.problems import HttpProblem

MAX_BODY_BYTES = 1024 * 1024

_INVALID = "invalid_request"
# Parsed, these parts would take far more memory than the body.
_MAX_PARTS = 200_000
_SMALL_BODY_BYTES = 64 * 1024
# Bounds the memory that large bodies take.
_reading_large = asyncio.Semaphore(16)

MessageT = TypeVar("MessageT", bound=Message)


async def read_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the request's body that are not null; no body has none.

    Raises `HttpProblem`: 413 beyond 1 MiB, 422 for what is not a JSON object.
    """
    async with contextlib.AsyncExitStack() as resources:
        body = await _read_body(request, resources)
        return _parse_object(body) if body else {}


def build_command(model: type[CommandData], ids: Mapping[str, str], fields: Mapping[str, Any]) -> CommandData:
    """Return the command with these ids and a body's fields. Raises `HttpProblem` (422)."""
    unknown = fields.keys() - _body_names(model, frozenset(ids))
    if unknown:
        # Not quoted: there may be thousands of them, of any length.
        raise HttpProblem(422, _INVALID, "The body has a field that is not known.")
    return validate(model, {**fields, **ids})


def validate(model: type[MessageT], fields: Mapping[str, Any]) -> MessageT:
    """Return a message with these fields. Raises `HttpProblem` (422) that names the first wrong one."""
    try:
        return model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise HttpProblem(422, _INVALID, f"{where}: {first['msg']}") from None


def document_body(model: type[Message], ids: Collection[str]) -> dict[str, Any]:
    """Return the OpenAPI request body of a message whose `ids` are not in the body."""
    schema = json_schema.model_definitions([model])[model.__name__]
    required = [name for name in schema.get("required", ()) if name not in ids]
    properties = {name: field for name, field in schema["properties"].items() if name not in ids}
    own = {name: value for name, value in schema.items() if name not in ("required", "title")}
    body = {**own, "properties": properties, **({"required": required} if required else {})}
    return {"required": bool(required), "content": {"application/json": {"schema": body}}}


async def _read_body(request: Request, resources: contextlib.AsyncExitStack) -> bytes:
    if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    is_small = True
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if is_small and len(body) > _SMALL_BODY_BYTES:
            is_small = False
            await resources.enter_async_context(_reading_large)
    return bytes(body)


def _parse_object(body: bytes) -> dict[str, Any]:
    if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise HttpProblem(422, _INVALID, "The body has too many parts.")
    try:
        value = envelope.parse_json(body)
    except NotACloudEvent:
        raise HttpProblem(422, _INVALID, "The body is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise HttpProblem(422, _INVALID, "The body is not a JSON object.")
    return envelope.without_nulls(value)


@lru_cache(maxsize=64)
def _body_names(model: type[CommandData], ids: frozenset[str]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items()) - ids


def _too_large() -> HttpProblem:
    return HttpProblem(413, "too_large", "The body has more than 1 MiB.")
