"""A result that many requests share for a short time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_SHARED_SECONDS = 0.5


class SharedResult(Generic[T]):
    """The result of `fetch`, or its error, which is fetched again once it began `seconds` ago.

    At most one `fetch` runs at a time.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], seconds: float = _SHARED_SECONDS) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._fetching: asyncio.Task[T] | None = None
        self._began_at = 0.0

    async def wait(self, seconds: float | None = None) -> T:
        """Return the result. Raises `TimeoutError` if it takes longer than `seconds`; the fetch goes on."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._current())

    @property
    def is_over(self) -> bool:
        """Return whether the result is shared no longer, or was never fetched."""
        if self._fetching is None:
            return True
        return self._fetching.done() and time.monotonic() - self._began_at >= self._seconds

    def cancel(self) -> None:
        """Cancel a fetch that runs."""
        if self._fetching is not None:
            self._fetching.cancel()

    def _current(self) -> asyncio.Task[T]:
        fetching = self._fetching
        if fetching is None or self.is_over:
            self._began_at = time.monotonic()
            self._fetching = fetching = asyncio.ensure_future(self._fetch())
            # Retrieve the error even if nobody waits any more, or asyncio logs it as lost.
            fetching.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return fetching
