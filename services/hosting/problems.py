"""Errors over HTTP, as RFC 9457 problems with the contract's `reason`."""

from http import HTTPStatus
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from messaging import errors

MEDIA_TYPE = "application/problem+json"

_REASONS = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    422: "invalid_request",
    503: "unavailable",
}
_OUTAGES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    KafkaError,
    errors.Unavailable,
    OSError,
    TimeoutError,
)
# Nothing can be read yet: the schema is made once Kafka has been seen, and a wrong login ends the process.
_NOT_YET = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An answer that says why there is no other; `reason` is for programs, `detail` for people."""

    def __init__(self, status: int, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.detail = detail


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = Field(default="about:blank", description="Always `about:blank`: `reason` tells them apart.")
    title: str = Field(description="The status in words.")
    status: int
    reason: str = Field(description="One of the contract's words.")
    detail: str | None = Field(default=None, description="A sentence for a person.")


def install(app: FastAPI) -> None:
    """Answer the errors that may be expected of the application with problems."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for outage in _OUTAGES:
        app.add_exception_handler(outage, _outage)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with problems of these statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the problem as a response."""
    details = ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        reason=problem.reason,
        detail=problem.detail,
    )
    more = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(
        details.model_dump(exclude_none=True), problem.status, {**more, **(headers or {})}, MEDIA_TYPE
    )


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - it is installed for nothing else
    return response(error)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is installed for nothing else
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "request"
    return response(Problem(422, "invalid_request", f"{where}: {first['msg']}"))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is installed for nothing else
    reason = _REASONS.get(error.status_code, "invalid_request")
    headers = dict(error.headers) if error.headers else None
    return response(Problem(error.status_code, reason), headers)


async def _outage(_: Request, error: Exception) -> JSONResponse:
    # asyncpg's ValueErrors are arguments that it cannot send: a mistake of ours, not an outage.
    away = errors.worth_retrying(error) and not isinstance(error, ValueError)
    if not (away or isinstance(error, _NOT_YET)):
        raise error
    return response(Problem(503, "unavailable", "Something that this service needs is away; try again."))
