"""Middleware that times requests, answers unexpected errors and excess connections, and answers HEAD."""

import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime import log_ids
from services.runtime.http import problems
from services.runtime.http.problems import HttpProblem

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KNOWN_METHODS = ("GET", "POST", "PUT", "DELETE")
_NO_ROUTE = "-"

OVERLOADED = HttpProblem(503, "unavailable", "There are too many connections; try again.")
IS_OVERLOADED = "is_overloaded"
"""The key in a request's `state` by which the server marks what it has no room for."""

ABORT_CONNECTION = "abort_connection"
"""The key in a request's `state` of the server's function that ends the connection at once."""

log = structlog.get_logger()


def request_histogram(registry: CollectorRegistry) -> Histogram:
    """Create the histogram for `RequestMetrics`."""
    histogram = Histogram(
        "cohost_http_seconds",
        "Seconds that a request takes.",
        ["method", "route", "status"],
        registry=registry,
        buckets=_BUCKETS,
    )
    # It starts at zero because an alert is about its increase: Prometheus may be refused until the end.
    histogram.labels("GET", _NO_ROUTE, OVERLOADED.status)
    return histogram


class RequestMetrics:
    """ASGI middleware that times requests and answers unexpected errors.

    Starlette would raise such an error again after answering it, and uvicorn would then close the connection.
    """

    def __init__(self, application: ASGIApp, histogram: Histogram) -> None:
        self._application = application
        self._histogram = histogram

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        started_at = time.perf_counter()
        status: list[int] = []

        async def send_recording_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        try:
            await self._choose_application(scope)(scope, receive, send_recording_status)
        except Exception:
            log.exception("request failed", route=_route_path(scope), **_ids_of(scope))
            if status:
                raise
            answer = problems.problem_response(
                HttpProblem(500, "internal_error", "The service failed; its log says why.")
            )
            await answer(scope, receive, send_recording_status)
        finally:
            self._observe(scope, status, time.perf_counter() - started_at)

    def _choose_application(self, scope: Scope) -> ASGIApp:
        if scope.get("state", {}).get(IS_OVERLOADED):
            return problems.problem_response(OVERLOADED, {"Connection": "close"})
        return self._application

    def _observe(self, scope: Scope, status: list[int], seconds: float) -> None:
        # Bound the label values: callers choose methods and paths freely.
        method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
        self._histogram.labels(method, _route_path(scope), status[0] if status else "-").observe(seconds)


class HeadRequests:
    """ASGI middleware that answers HEAD as GET, without the body.

    The server sends no body either, but only this ends a stream.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._application(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                # From here on `receive` returns `http.disconnect`, at which a stream ends.
                await send({"type": "http.response.body"})

        await self._application({**scope, "method": "GET"}, receive, send_head)


def _route_path(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", _NO_ROUTE))


def _ids_of(scope: Scope) -> dict[str, str]:
    """Return the ids of the room, the command and the trace that a request names, for the log."""
    params = scope.get("path_params", {})
    return log_ids.ids_of(
        params.get("roomId"), params.get("commandId"), Headers(scope=scope).get("traceparent")
    )
