"""Polling for conditions that no record announces, and times that the contract sets."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ParamSpec

from tests.contract.topic_log import TIMEOUT_SECONDS

ATTEMPTS = 3

P = ParamSpec("P")


async def wait_until(probe: Callable[[], Any], what: str = "", seconds: float = TIMEOUT_SECONDS) -> Any:
    """Call the probe, sync or async, until it returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"timed out after {seconds} s waiting for {what or 'a condition'}"
        await asyncio.sleep(0.03)


class TooLate(AssertionError):
    """Something took longer than it may."""


@contextlib.contextmanager
def in_time(seconds: float, what: str) -> Iterator[None]:
    """Raise `TooLate` if the block, which waits for an event, takes this long."""
    began = time.monotonic()
    yield
    if (passed := time.monotonic() - began) >= seconds:
        msg = f"{what} took {passed:.1f} s, not less than {seconds} s"
        raise TooLate(msg)


def retry_when_late(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Run a test again if it was `TooLate`: the whole machine may stall for seconds, but not each time."""

    @functools.wraps(test)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(TooLate):
                return await test(*args, **kwargs)
        return await test(*args, **kwargs)

    return run
