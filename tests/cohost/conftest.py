from collections.abc import AsyncIterator

import pytest

import cohost
from tests.cohost.fake_services import FakeServices, run_fake_services


@pytest.fixture
async def service(kafka: str, prefix: str) -> AsyncIterator[FakeServices]:
    async with run_fake_services(kafka, prefix) as service:
        yield service


@pytest.fixture
async def client(kafka: str, service: FakeServices) -> AsyncIterator[cohost.Client]:
    async with cohost.Client(kafka, prefix=service.prefix, source="/tests", timeout=60) as client:
        yield client
