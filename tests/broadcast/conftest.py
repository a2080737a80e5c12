"""Fixture: a fake LiveKit in the tests' process."""

from collections.abc import AsyncIterator

import pytest

from tests.broadcast import fake_livekit
from tests.broadcast.fake_livekit import FakeLiveKit


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve_fake_livekit() as served:
        yield served
