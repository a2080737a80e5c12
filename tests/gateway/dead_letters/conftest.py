from collections.abc import AsyncIterator

import pytest

from stack import Stack
from tests.gateway.dead_letters.letter_harness import LetterHarness
from tests.gateway.e2e.command_harness import run_deployment


@pytest.fixture(scope="package")
async def letters(stack: Stack) -> AsyncIterator[LetterHarness]:
    """A deployment, a producer of any records, and an operator."""
    await stack.start("livekit")
    async with run_deployment(stack) as deployment, LetterHarness(deployment) as harness:
        yield harness
