"""How fast calls may follow each other while none of them succeeds."""

from collections.abc import Callable

_STRIKES = 20
_PAUSE = 0.05


class Brake:
    """Lets calls begin at any pace, or few a second once so many in a row have failed.

    It slows down beginnings, and does not count what is under way: calls to one dead node of several must not
    keep back those to the others. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._strikes = 0
        self._next_at = 0.0

    def succeeded(self) -> None:
        """Note that LiveKit answers."""
        self._strikes = 0

    def failed(self) -> None:
        """Note that a call failed that may succeed later."""
        self._strikes += 1

    def wait(self) -> float:
        """Return for how long no call may begin."""
        return max(0.0, self._next_at - self._clock()) if self._strikes >= _STRIKES else 0.0

    def begun(self) -> None:
        """Note that a call began."""
        self._next_at = self._clock() + _PAUSE
