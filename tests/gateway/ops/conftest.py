from collections.abc import AsyncIterator

import pytest

from cohost.kafka.connection import KafkaConnection
from tests.gateway.ops import ops_copy, ops_log
from tests.gateway.ops.ops_copy import OpsCopy
from tests.gateway.ops.ops_log import OpsLog


@pytest.fixture
async def log(kafka: str, prefix: str) -> AsyncIterator[OpsLog]:
    async with ops_log.open_ops_log(KafkaConnection(kafka, prefix)) as log:
        yield log


@pytest.fixture
async def copy(log: OpsLog) -> AsyncIterator[OpsCopy]:
    async with ops_copy.run_copy(log.connection, ops_copy.patient_view(log.connection)) as copy:
        yield copy
