from collections.abc import AsyncIterator

import pytest

import cohost
from tests.cohost.played import Played, playing


@pytest.fixture
async def service(kafka: str, prefix: str) -> AsyncIterator[Played]:
    async with playing(kafka, prefix) as service:
        yield service


@pytest.fixture
async def client(kafka: str, service: Played) -> AsyncIterator[cohost.Client]:
    async with cohost.Client(kafka, prefix=service.prefix, source="/tests", timeout=10) as client:
        yield client
