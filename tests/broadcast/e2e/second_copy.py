"""A second copy of the service under test."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from stack import ports
from tests.broadcast.e2e.service_under_test import ServiceUnderTest


@contextlib.asynccontextmanager
async def start_second_copy(service: ServiceUnderTest) -> AsyncIterator[ServiceUnderTest]:
    """Run a second copy of the service, on another port, during the block."""
    other = ServiceUnderTest(
        dataclasses.replace(service.endpoints, http_port=ports.reserve_port()), settings=service.settings
    )
    other.start_process()
    try:
        await other.wait_until_ready()
        yield other
    finally:
        await other.stop_process()
