"""Throttling of calls while none of them succeeds."""

from collections.abc import Callable

_MAX_FAILURES = 20
_PAUSE_SECONDS = 0.05


class FailureThrottle:
    """Lets calls start at any pace, or at a few per second once too many in a row have failed.

    It delays starts instead of limiting the calls under way: calls that hang on one dead node of several must
    not hold back those to the others. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._next_start_at = 0.0

    def record_success(self) -> None:
        """Record that a call succeeded."""
        self._failures = 0

    def record_failure(self) -> None:
        """Record that a call failed which may succeed later."""
        self._failures += 1

    def seconds_until_start(self) -> float:
        """Return how many seconds no call may start."""
        return max(0.0, self._next_start_at - self._clock()) if self._failures >= _MAX_FAILURES else 0.0

    def record_start(self) -> None:
        """Record that a call started."""
        self._next_start_at = self._clock() + _PAUSE_SECONDS
