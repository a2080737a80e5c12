"""A second copy of the service under test."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from stack import ports
from tests.broadcast.e2e.house import House


@contextlib.asynccontextmanager
async def second(service: House) -> AsyncIterator[House]:
    """Run a second copy of the service, on another port, during the block."""
    other = House(dataclasses.replace(service.endpoints, http_port=ports.choose()), settings=service.settings)
    other.start()
    try:
        await other.ready()
        yield other
    finally:
        await other.stop()
