"""A hypothesis profile without deadlines, which a busy machine would exceed, and a database that is down."""

from collections.abc import AsyncIterator

import asyncpg
import hypothesis
import pytest

from messaging import database
from tests.runtime import example_service

hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
async def pool() -> AsyncIterator[asyncpg.Pool]:
    """A pool of a database that is down."""
    pool = await database.create_pool(example_service.example_settings().pipeline_config("example"), 2)
    yield pool
    pool.terminate()
