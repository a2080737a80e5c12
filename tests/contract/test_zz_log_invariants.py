"""Sections 1 to 3, over every record written by the other tests; its name makes it run last."""

from collections.abc import Awaitable, Callable

import pytest

from tests.contract import log_invariants
from tests.contract.contract_client import ContractClient


@pytest.mark.parametrize("claim", log_invariants.INVARIANTS, ids=lambda claim: claim.__name__)
async def test_every_written_record_keeps_the_invariants(
    client: ContractClient, claim: Callable[[ContractClient], Awaitable[None]]
) -> None:
    await claim(client)
