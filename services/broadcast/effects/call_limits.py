"""Limits of LiveKit calls: the number of running items, and the rate of starts while every call fails."""

import asyncio
from collections.abc import Callable

_MAX_CALLS = 64
_MAX_UNREPORTED = 1_000
"""Items that may be running, including those whose calls are done but whose report is not written yet."""

_MAX_FAILURES = 20
_PAUSE_SECONDS = 0.05


class CallSlot:
    """A running item's permits: one of the limit on calls, one of the limit on running items."""

    def __init__(self, calling: asyncio.Semaphore, running: asyncio.Semaphore) -> None:
        self._calling: asyncio.Semaphore | None = calling
        self._running: asyncio.Semaphore | None = running

    def finish_calls(self) -> None:
        """Let another item start its calls, while this one's result is being reported."""
        calling, self._calling = self._calling, None
        if calling is not None:
            calling.release()

    def release(self) -> None:
        """Let another item run."""
        self.finish_calls()
        running, self._running = self._running, None
        if running is not None:
            running.release()


class CallSlots:
    """The slots of all running items."""

    def __init__(self) -> None:
        self._calling = asyncio.Semaphore(_MAX_CALLS)
        self._running = asyncio.Semaphore(_MAX_UNREPORTED)

    async def acquire_slot(self) -> CallSlot:
        """Wait for a slot."""
        await self._running.acquire()
        try:
            await self._calling.acquire()
        except asyncio.CancelledError:
            self._running.release()
            raise
        return CallSlot(self._calling, self._running)


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
        """Record that a call failed and may succeed later."""
        self._failures += 1

    def seconds_until_start(self) -> float:
        """Return the seconds until the next call may start."""
        return max(0.0, self._next_start_at - self._clock()) if self._failures >= _MAX_FAILURES else 0.0

    def record_start(self) -> None:
        """Record that a call started."""
        self._next_start_at = self._clock() + _PAUSE_SECONDS
