"""Another copy of the service beside the first."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from stack import ports
from tests.broadcast.e2e.house import House


@contextlib.asynccontextmanager
async def second(service: House) -> AsyncIterator[House]:
    """Start another copy of the service beside the first."""
    other = House(dataclasses.replace(service.endpoints, http_port=ports.choose()), settings=service.settings)
    other.start()
    try:
        await other.ready()
        yield other
    finally:
        await other.stop()
