"""A LiveKit for one test, as a process or, with `--containers`, in a container."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from stack import Stack

IN_CONTAINERS = "COHOST_TESTS_IN_CONTAINERS"
"""The environment variable that tells worker processes of a run with `--containers`."""


class LiveKitServer(Protocol):
    """Address and credentials of a LiveKit."""

    @property
    def livekit_url(self) -> str:
        """Return the URL for clients."""
        ...

    @property
    def livekit_api_key(self) -> str:
        """Return the API key."""
        ...

    @property
    def livekit_api_secret(self) -> str:
        """Return the secret of the API key."""
        ...


@asynccontextmanager
async def run_livekit(webhook: str) -> AsyncIterator[LiveKitServer]:
    """Run a LiveKit that sends its webhooks to this URL."""
    if IN_CONTAINERS in os.environ:
        from tests import containers  # noqa: PLC0415 - only runs with containers need it

        async with containers.run_livekit_container(webhook) as contained:
            yield contained
    else:
        async with Stack(components=["livekit"], livekit_webhook=webhook) as process:
            yield process
