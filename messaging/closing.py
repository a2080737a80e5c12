"""Close a library's client in bounded time and ignore its errors."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def close_within(closing: Coroutine[Any, Any, object], seconds: float) -> None:
    """Wait at most `seconds` for a client to close, and ignore its errors.

    The closing runs in a task of its own: closing a client whose own tasks never ran raises their
    CancelledError, which would otherwise look like a cancellation of the caller.
    """
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
