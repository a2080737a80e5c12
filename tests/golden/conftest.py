"""A Postgres without the Kafka that other tests share it with: the golden run takes seconds."""

import secrets
from collections.abc import AsyncIterator

import pytest

from stack import Stack


@pytest.fixture(scope="package")
async def postgres() -> AsyncIterator[Stack]:
    async with Stack(components=["postgres"]) as up:
        yield up


@pytest.fixture
async def database_url(postgres: Stack) -> str:
    return await postgres.create_database(f"golden_{secrets.token_hex(6)}")
