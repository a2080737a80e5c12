"""Closing Kafka clients, whatever state they and their broker are in."""

import asyncio
from collections.abc import Coroutine
from typing import Any

_CANCELLED_SECONDS = 1


async def close(step: Coroutine[Any, Any, Any], seconds: float = 5) -> None:
    """Run a step of closing down for so long at most; what comes of it is of no interest."""
    # In a task of its own, because aiokafka lets the cancellation of its inner tasks escape from stop().
    closing = asyncio.ensure_future(step)
    try:
        await asyncio.wait({closing}, timeout=seconds)
    finally:
        closing.cancel()
        await asyncio.wait({closing}, timeout=_CANCELLED_SECONDS)
        if closing.done() and not closing.cancelled():
            closing.exception()
