"""A LiveKit of one's own, as a process or in a container, whichever the run asked for."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from stack import Stack

IN_CONTAINERS = "COHOST_TESTS_IN_CONTAINERS"
"""The variable by which the processes that run tests know that the run asked for containers."""


class LiveKit(Protocol):
    """Where a LiveKit is."""

    @property
    def livekit_url(self) -> str:
        """What clients connect to."""
        ...

    @property
    def livekit_api_key(self) -> str:
        """The key of its only user."""
        ...

    @property
    def livekit_api_secret(self) -> str:
        """The secret that belongs to the key."""
        ...


@asynccontextmanager
async def livekit(webhook: str) -> AsyncIterator[LiveKit]:
    """Start a LiveKit that reports to this address."""
    if IN_CONTAINERS in os.environ:
        from tests import containers  # noqa: PLC0415 - a run without containers needs none of it

        async with containers.livekit(webhook) as contained:
            yield contained
    else:
        async with Stack(parts=["livekit"], livekit_webhook=webhook) as process:
            yield process
