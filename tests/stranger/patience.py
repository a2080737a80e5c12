"""Waiting for what nobody tells of."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.stranger.log import SECONDS


async def eventually(probe: Callable[[], Any], what: str = "", seconds: float = SECONDS) -> Any:
    """Ask again and again, for what nobody tells, until the answer is neither None nor empty."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what or 'it'} did not come about within {seconds} s"
        await asyncio.sleep(0.03)
