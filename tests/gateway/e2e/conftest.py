from collections.abc import AsyncIterator

import pytest

from stack import Stack
from tests.gateway.e2e.command_harness import CommandHarness, run_deployment


@pytest.fixture(scope="package")
async def harness() -> AsyncIterator[CommandHarness]:
    """A deployment for the tests of this folder, which pause its Kafka and stop its processes."""
    async with Stack(isolated=True) as own, run_deployment(own) as running:
        yield running
