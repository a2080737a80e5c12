"""A theatre with a live room, its host, and a guest; and a ledger that every test finds empty."""

import secrets
from collections.abc import AsyncIterator

import pytest

from services.invitations.state import Policy
from stack import Stack
from tests.invitations import ledger
from tests.invitations.ledger import Ledger
from tests.invitations.theatre import Theatre


@pytest.fixture
def theatre() -> Theatre:
    theatre = Theatre()
    theatre.room()
    theatre.user()
    return theatre


@pytest.fixture(scope="module")
async def shelf(stack: Stack) -> AsyncIterator[Ledger]:
    url = await stack.create_database(f"ledger_{secrets.token_hex(6)}")
    book = await ledger.opened(url, Policy(accept_unknown_users=True))
    yield book
    book.pool.terminate()


@pytest.fixture
async def book(shelf: Ledger) -> Ledger:
    await shelf.wipe()
    return shelf
