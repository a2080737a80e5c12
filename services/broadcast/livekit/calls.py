"""Calls to LiveKit: limited in time and rate, counted, and failing with `CallFailed`."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
from livekit import api

from messaging.tracing.tracer import Tracer, begin_call
from services.broadcast.livekit import mapping
from services.broadcast.livekit.rate_limit import RateLimit
from services.broadcast.metrics import LiveKitMetrics

_SERVICE = "livekit.RoomService"
_GOOD_RESULTS = ("ok", "not_found")
_CODES = frozenset(code for name, code in vars(api.ServerErrorCode).items() if name.isupper())
_PERMANENT_CODES = frozenset({"invalid_argument", "failed_precondition", "unimplemented", "malformed"})
_TIMEOUT_CODES = frozenset({"unavailable", "deadline_exceeded", "canceled"})
_INTERNAL_STATUS = 500
_READ_METHODS = frozenset({"GetParticipant", "ListParticipants", "ListRooms"})
_AUTH_STATUSES = frozenset({401, 403})

_MAX_DETAIL_LENGTH = 300

R = TypeVar("R")
T = TypeVar("T")


class CallFailed(Exception):
    """A failed call. `retryable`: a retry may succeed; `outcome_unknown`: it may still take effect.

    `refused`: LiveKit refuses our key. `retry_after`: the seconds that LiveKit asks us to wait.
    """

    def __init__(
        self,
        error: str,
        *,
        retryable: bool,
        outcome_unknown: bool = False,
        refused: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.retryable = retryable
        self.outcome_unknown = outcome_unknown
        self.refused = refused
        self.retry_after = retry_after


class LiveKitCalls:
    """Makes calls of at most `timeout_seconds`, and none while LiveKit limits our rate.

    `last_failure` is the failure of the last call, None if it succeeded.
    """

    def __init__(self, timeout_seconds: float, metrics: LiveKitMetrics, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._timeout_seconds = timeout_seconds
        self._metrics = metrics
        self._rate_limit = RateLimit(time.monotonic)
        self.last_failure: CallFailed | None = None

    def record_answer(self, status: int, retry_after: str | None) -> None:
        """Record the status of an answer and its `Retry-After`: required of every HTTP answer."""
        self._rate_limit.record_answer(status, retry_after)

    async def make_call(
        self, method: str, answer: Coroutine[Any, Any, T], read: Callable[[T], R]
    ) -> R | None:
        """Make a call and convert its answer; None where LiveKit knows no such room or participant."""
        try:
            found = await self._make_unless_limited(method, answer, read)
        except CallFailed as error:
            self.last_failure = error
            raise
        self.last_failure = None
        return found

    async def _make_unless_limited(
        self, method: str, answer: Coroutine[Any, Any, T], read: Callable[[T], R]
    ) -> R | None:
        if (seconds := self._rate_limit.seconds_left()) > 0:
            answer.close()
            message = f"{method}: not called, LiveKit limits the rate of calls"
            raise CallFailed(message, retryable=True, retry_after=seconds)
        result = "cancelled"
        span = begin_call(self._tracer, _SERVICE, method)
        may_change = method not in _READ_METHODS
        try:
            with self._metrics.call_seconds.labels(method).time():
                # The client passes `timeout=None` to aiohttp, which disables the session's time-out.
                async with asyncio.timeout(self._timeout_seconds):
                    found = read(await answer)
        except api.ServerError as error:
            # LiveKit's own code for a refused key is `unknown`.
            result = "unauthorized" if error.status in _AUTH_STATUSES else _known_code(error)
            if result == "not_found":
                return None
            raise self._failure(method, error, outcome_unknown=may_change) from error
        except Exception as error:
            # A proxy may answer anything, and the client then raises many types of error.
            result = type(error).__name__
            message = f"{method}: LiveKit did not answer ({result})"
            outcome_unknown = may_change and not isinstance(error, aiohttp.ClientConnectorError)
            raise CallFailed(message, retryable=True, outcome_unknown=outcome_unknown) from error
        else:
            result = "ok"
            return found
        finally:
            self._metrics.calls.labels(method, result).inc()
            if span is not None:
                if result not in _GOOD_RESULTS:
                    span.fail(result)
                span.end()

    def _failure(self, method: str, error: api.ServerError, *, outcome_unknown: bool) -> CallFailed:
        code = _known_code(error)
        refused = error.status in _AUTH_STATUSES
        detail = mapping.clean_text(str(error.message or ""))[:_MAX_DETAIL_LENGTH]
        return CallFailed(
            f"{method}: {code} ({error.status}) {detail}",
            retryable=not (refused or code in _PERMANENT_CODES),
            # A server that timed out waiting for one behind it cannot know whether that one still acts.
            outcome_unknown=outcome_unknown and (error.status >= _INTERNAL_STATUS or code in _TIMEOUT_CODES),
            refused=refused,
            retry_after=self._rate_limit.seconds_left(),
        )


def _known_code(error: api.ServerError) -> str:
    """Return the error's code, "other" for one that Twirp does not have: a proxy may answer anything."""
    code = str(error.code)
    return code if code in _CODES else "other"
