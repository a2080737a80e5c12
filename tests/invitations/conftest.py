"""Fixtures: a processor in memory with a live room and a known guest, and an empty harness on Postgres."""

import secrets
from collections.abc import AsyncIterator

import pytest

from services.invitations.domain.state import Policy
from stack import Stack
from tests.invitations.ledger import Ledger, opened
from tests.invitations.theatre import Theatre


@pytest.fixture
def processor() -> Theatre:
    processor = Theatre()
    processor.set_room()
    processor.user()
    return processor


@pytest.fixture(scope="module")
async def shared_batch_harness(stack: Stack) -> AsyncIterator[Ledger]:
    url = await stack.create_database(f"batches_{secrets.token_hex(6)}")
    batch_harness = await opened(url, Policy(accept_unknown_users=True))
    yield batch_harness
    batch_harness.pool.terminate()


@pytest.fixture
async def batch_harness(shared_batch_harness: Ledger) -> Ledger:
    await shared_batch_harness.wipe()
    return shared_batch_harness
