from collections.abc import AsyncIterator

import pytest

from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import FakeInvitations, GatewayCopy
from tests.gateway.streams.stream_log import StreamLog


@pytest.fixture
async def log(kafka: str, prefix: str) -> AsyncIterator[StreamLog]:
    async with stream_log.open_stream_log(kafka, prefix) as log:
        yield log


@pytest.fixture
def invitations() -> FakeInvitations:
    return FakeInvitations({"show": [(0, 0, "alice")]})


@pytest.fixture
async def copy(log: StreamLog, invitations: FakeInvitations) -> AsyncIterator[GatewayCopy]:
    async with gateway_copies.run_copy(log.connection, invitations) as copy:
        await copy.wait_until_ready()
        yield copy
