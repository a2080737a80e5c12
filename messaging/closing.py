"""Closing what belongs to a library, in bounded time and whatever it raises."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def closed(closing: Coroutine[Any, Any, object], seconds: float) -> None:
    """Wait for a client to close, but no longer than this.

    It runs in a task of its own: closing a client whose own tasks never ran raises their CancelledError,
    which would otherwise look like ours.
    """
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
