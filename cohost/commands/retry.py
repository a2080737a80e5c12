"""Repeat a command until the services have read the facts that it depends on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cohost.errors import Rejected

_UNKNOWN_FACT_REASONS = ("room_not_found", "user_not_found")
_PAUSE_SECONDS = 0.1
ResultT = TypeVar("ResultT")


async def retry_until_known(send: Callable[[], Awaitable[ResultT]], seconds: float = 10.0) -> ResultT:
    """Repeat a command until the service knows its room and user, for up to `seconds`.

        sent = await cohost.retry_until_known(lambda: client.send_invitation("room-1", "bob", "alice"))

    A fact applies only once the service has read it, usually well within a second after `set_room` or
    `set_user` returned. `send` must not pass a `command_id` of its own: a repeated id returns its first
    outcome. Raises `Rejected` at once for any other reason, and for these reasons when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await send()
        except Rejected as rejected:
            if rejected.reason not in _UNKNOWN_FACT_REASONS or time.monotonic() >= deadline:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)
