"""Fixtures: a processor in memory with a live room and a known guest, and an empty harness on Postgres."""

import secrets
from collections.abc import AsyncIterator

import pytest

from services.invitations.domain.state import Policy
from stack import Stack
from tests.invitations.batch_harness import BatchHarness, open_batch_harness
from tests.invitations.in_memory_processor import InMemoryProcessor


@pytest.fixture
def processor() -> InMemoryProcessor:
    processor = InMemoryProcessor()
    processor.set_room()
    processor.set_user()
    return processor


@pytest.fixture(scope="module")
async def shared_batch_harness(stack: Stack) -> AsyncIterator[BatchHarness]:
    url = await stack.create_database(f"batches_{secrets.token_hex(6)}")
    batch_harness = await open_batch_harness(url, Policy(accept_unknown_users=True))
    yield batch_harness
    batch_harness.pool.terminate()


@pytest.fixture
async def batch_harness(shared_batch_harness: BatchHarness) -> BatchHarness:
    await shared_batch_harness.clear_state()
    return shared_batch_harness
