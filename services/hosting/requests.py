"""Middleware that times requests and answers unexpected errors."""

import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.hosting import problems
from services.hosting.problems import Problem

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = ("GET", "POST")

log = structlog.get_logger()


def seconds(registry: CollectorRegistry) -> Histogram:
    """Create the histogram for `RequestMetrics`."""
    return Histogram(
        "cohost_http_seconds",
        "Seconds that a request takes.",
        ["method", "route", "status"],
        registry=registry,
        buckets=_SECONDS,
    )


class Requests:
    """ASGI middleware that times requests and answers unexpected errors.

    Starlette would raise such an error again after answering it, and uvicorn would then close the connection.
    """

    def __init__(self, application: ASGIApp, taken: Histogram) -> None:
        self._application = application
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began = time.perf_counter()
        status: list[int] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        try:
            await self._application(scope, receive, noted)
        except Exception:
            log.exception("request failed", route=_route(scope))
            if status:
                raise
            answer = problems.response(
                Problem(500, "internal_error", "The service failed; its log says why.")
            )
            await answer(scope, receive, noted)
        finally:
            self._observe(scope, status, time.perf_counter() - began)

    def _observe(self, scope: Scope, status: list[int], taken: float) -> None:
        # Bound the label values: callers choose methods and paths freely.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._taken.labels(method, _route(scope), status[0] if status else "-").observe(taken)


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "-"))
