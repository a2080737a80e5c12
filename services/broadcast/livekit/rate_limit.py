"""LiveKit's limit on the rate of calls: answers with status 429 or a `Retry-After`."""

import email.utils
import time
from collections.abc import Callable
from http import HTTPStatus

_DEFAULT_SECONDS = 1.0
_MAX_SECONDS = 60.0
"""The longest pause: rights must not stay wrong for longer, whatever an answer says."""

_LIMITING_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class RateLimit:
    """The time until which LiveKit asked us to make no calls. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends_at = 0.0

    def seconds_left(self) -> float:
        """Return the seconds until the next call may be made."""
        return max(0.0, self._ends_at - self._clock())

    def record_answer(self, status: int, retry_after: str | None) -> None:
        """Pause after an answer that asks for it: by its header, or for a second after a 429 without one."""
        if status not in _LIMITING_STATUSES:
            return
        seconds = _parse_seconds(retry_after)
        if seconds is None:
            seconds = _DEFAULT_SECONDS if status == HTTPStatus.TOO_MANY_REQUESTS else 0.0
        self._ends_at = max(self._ends_at, self._clock() + min(seconds, _MAX_SECONDS))


def _parse_seconds(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, a number or a date; None if it is neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
