"""Throttling of calls while none of them succeeds."""

from collections.abc import Callable

_STRIKES = 20
_PAUSE = 0.05


class Brake:
    """Lets calls start at any pace, or at a few per second once too many in a row have failed.

    It delays starts instead of limiting the calls under way: calls that hang on one dead node of several must
    not hold back those to the others. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._strikes = 0
        self._next_at = 0.0

    def succeeded(self) -> None:
        """Record that a call succeeded."""
        self._strikes = 0

    def failed(self) -> None:
        """Record that a call failed which may succeed later."""
        self._strikes += 1

    def wait(self) -> float:
        """Return how many seconds no call may start."""
        return max(0.0, self._next_at - self._clock()) if self._strikes >= _STRIKES else 0.0

    def begun(self) -> None:
        """Record that a call started."""
        self._next_at = self._clock() + _PAUSE
