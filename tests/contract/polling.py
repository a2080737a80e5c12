"""Polling for conditions that no record announces."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.contract.topic_log import TIMEOUT_SECONDS


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
