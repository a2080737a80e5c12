"""JSON request bodies: bounded in size and time, strict, and an object whatever their content type."""

import asyncio
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError
from pydantic_core import from_json

from cohost_schemas import envelope
from cohost_schemas.types import Message
from services.runtime.http.problems import HttpProblem

_MAX_BYTES = 1024 * 1024
_READ_SECONDS = 10.0

ModelT = TypeVar("ModelT", bound=Message)


async def read_body(request: Request, model: type[ModelT]) -> ModelT:
    """Return the request's body; none counts as `{}`. Raises `HttpProblem` (400, 413, 422)."""
    fields = envelope.without_nulls(_parse_object(await read_bytes(request)))
    known = {field.alias or name for name, field in model.model_fields.items()}
    # Before the model: its error about 60 000 unknown fields would have 60 000 parts.
    if not fields.keys() <= known:
        raise HttpProblem(422, "invalid_request", "The body has a field that is not known.")
    try:
        return model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise HttpProblem(422, "invalid_request", f"{where}: {first['msg']}") from error


def body_schema(model: type[Message]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads this body, which must not have a further schema."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read_bytes(request: Request) -> bytes:
    """Return the request's body as it is. Raises `HttpProblem` (400, 413)."""
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise HttpProblem(413, "too_large", f"The body has more than {_MAX_BYTES} bytes.")
    except TimeoutError as error:
        raise HttpProblem(400, "invalid_request", "The body took too long.") from error
    return bytes(body)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        fields = from_json(body, allow_inf_nan=False) if body else {}
    except ValueError as error:
        raise HttpProblem(422, "invalid_request", "The body is not JSON.") from error
    if not isinstance(fields, dict):
        raise HttpProblem(422, "invalid_request", "The body is not a JSON object.")
    return fields
