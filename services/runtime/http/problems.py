"""HTTP errors as RFC 9457 problem details, with the contract's `reason`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import compile_path

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
# Python 3.13 renamed them, after RFC 9110.
_PHRASES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}
_OUTAGE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    KafkaError,
    errors.NotConfirmed,
    OSError,
    TimeoutError,
)
# Not ready yet: the schema is created once Kafka is reachable, and a wrong login ends the process.
_NOT_READY_ERRORS = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class HttpProblem(Exception):
    """An error response; `reason` is for programs, `detail` for people.

    `members` are further ones of the body, `retry_after` is in seconds.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str | None = None,
        *,
        members: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.members = members or {}
        self.retry_after = retry_after


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = Field(default="about:blank", description="Always `about:blank`; see `reason`.")
    title: str = Field(description="The HTTP status phrase.")
    status: int
    reason: str = Field(description="One of the contract's reasons.")
    detail: str | None = Field(default=None, description="A sentence for people.")


def install_handlers(app: FastAPI) -> None:
    """Register handlers that answer expected errors with problem details."""
    app.add_exception_handler(HttpProblem, _handle_problem)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    for outage in _OUTAGE_ERRORS:
        app.add_exception_handler(outage, _handle_outage)


def status_phrase(status: int) -> str:
    """Return the phrase of an HTTP status, the same on every version of Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def problem_responses(
    *statuses: int, model: type[ProblemDetails] = ProblemDetails
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` argument of a route that may answer with these problem statuses."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        status: {"description": status_phrase(status), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def problem_response(problem: HttpProblem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the problem as an HTTP response, which no cache may keep."""
    details = ProblemDetails(
        title=status_phrase(problem.status),
        status=problem.status,
        reason=problem.reason,
        detail=problem.detail,
    )
    challenge = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    pause = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    own_headers = {"Cache-Control": "no-store", **challenge, **pause, **(headers or {})}
    body = {**details.model_dump(exclude_none=True), **problem.members}
    return JSONResponse(body, problem.status, own_headers, MEDIA_TYPE)


async def _handle_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HttpProblem)  # noqa: S101 - registered for this type only
    return problem_response(error)


async def _handle_validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "request"
    return problem_response(HttpProblem(422, "invalid_request", f"{where}: {first['msg']}"))


async def _handle_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    reason = _REASONS.get(error.status_code, "invalid_request")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed_methods(request) or headers["Allow"]
    return problem_response(HttpProblem(error.status_code, reason), headers)


def _allowed_methods(request: Request) -> str | None:
    """Return the methods of a path as documented, because Starlette names those of one route only."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    matching = [path for path in paths if compile_path(path)[0].match(request.scope["path"])]
    if not matching:
        return None
    methods = [method.upper() for method in paths[min(matching, key=_count_parameters)]]
    return ", ".join([*methods, "HEAD"] if "GET" in methods else methods)


def _count_parameters(path: str) -> int:
    return path.count("{")


async def _handle_disconnect(_: Request, __: Exception) -> JSONResponse:
    # Nobody reads it, and it is no error of the service.
    return problem_response(HttpProblem(400, "invalid_request", "The body is incomplete."))


async def _handle_outage(_: Request, error: Exception) -> JSONResponse:
    # asyncpg raises ValueError for arguments that it cannot encode: our bug, not an outage.
    is_outage = errors.is_transient(error) and not isinstance(error, ValueError)
    if not (is_outage or isinstance(error, _NOT_READY_ERRORS)):
        raise error
    return problem_response(
        HttpProblem(503, "unavailable", "A dependency of this service is unavailable; try again.")
    )
