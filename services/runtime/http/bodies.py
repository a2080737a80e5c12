"""JSON request bodies: bounded in size, time and memory, and an object whatever their content type."""

import asyncio
import contextlib
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError

from cohost_schemas import envelope
from cohost_schemas.envelope import NotACloudEvent
from cohost_schemas.types import Message
from services.runtime.http.problems import HttpProblem

MAX_BODY_BYTES = 1024 * 1024

_INVALID = "invalid_request"
_READ_SECONDS = 10.0
# Parsed, these parts would take far more memory than the body.
_MAX_PARTS = 200_000
_SMALL_BODY_BYTES = 64 * 1024
# Bounds the memory that large bodies take.
_reading_large = asyncio.Semaphore(16)

ModelT = TypeVar("ModelT", bound=Message)


async def read_model(request: Request, model: type[ModelT]) -> ModelT:
    """Return the request's body; none counts as `{}`. Raises `HttpProblem` (400, 413, 422)."""
    fields = await read_fields(request)
    refuse_unknown(fields, {field.alias or name for name, field in model.model_fields.items()})
    return validate(model, fields)


async def read_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the request's body that are not null; no body has none.

    Raises `HttpProblem`: 413 beyond 1 MiB, 422 for what is not a JSON object, 400 if it takes too long.
    """
    async with contextlib.AsyncExitStack() as resources:
        body = await _read_bounded(request, resources)
        return _parse_object(body) if body else {}


async def read_bytes(request: Request) -> bytes:
    """Return the request's body as it is. Raises `HttpProblem` (400, 413)."""
    async with contextlib.AsyncExitStack() as resources:
        return await _read_bounded(request, resources)


def refuse_unknown(fields: dict[str, Any], known: set[str] | frozenset[str]) -> None:
    """Raise `HttpProblem` (422) for a field that is not known.

    Before the model, whose error about 60 000 unknown fields would have 60 000 parts.
    """
    if not fields.keys() <= known:
        raise HttpProblem(422, _INVALID, "The body has a field that is not known.")


def validate(model: type[ModelT], fields: dict[str, Any]) -> ModelT:
    """Return a message with these fields. Raises `HttpProblem` (422) that names the first wrong one."""
    try:
        return model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise HttpProblem(422, _INVALID, f"{where}: {first['msg']}") from None


def body_schema(model: type[Message]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads this body, which must not have a further schema."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _read_bounded(request: Request, resources: contextlib.AsyncExitStack) -> bytes:
    if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    is_small = True
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                if is_small and len(body) > _SMALL_BODY_BYTES:
                    is_small = False
                    await resources.enter_async_context(_reading_large)
    except TimeoutError as error:
        raise HttpProblem(400, _INVALID, "The body took too long.") from error
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


def _too_large() -> HttpProblem:
    return HttpProblem(413, "too_large", "The body has more than 1 MiB.")
