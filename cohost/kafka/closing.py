"""Close Kafka clients, whatever state they and their broker are in."""

import asyncio
from collections.abc import Coroutine
from typing import Any

_CANCEL_WAIT_SECONDS = 1


async def close_within(step: Coroutine[Any, Any, Any], seconds: float = 5) -> None:
    """Run a closing step for at most `seconds`, ignoring its result and errors."""
    # In a separate task, because aiokafka lets the cancellation of its inner tasks escape from stop().
    closing = asyncio.ensure_future(step)
    try:
        await asyncio.wait({closing}, timeout=seconds)
    finally:
        closing.cancel()
        await asyncio.wait({closing}, timeout=_CANCEL_WAIT_SECONDS)
        if closing.done() and not closing.cancelled():
            closing.exception()
