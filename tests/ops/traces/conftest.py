from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from messaging.config import Config
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet
from tests.ops.traces.otlp_collector import OtlpCollector, running_collector


@pytest.fixture
async def collector() -> AsyncIterator[OtlpCollector]:
    async with running_collector() as running:
        yield running


@pytest.fixture
async def fleet(kafka: str, database_url: str, prefix: str) -> WorkerFleet:
    config = Config(
        kafka, database_url, "counter", prefix=prefix, partitions=PARTITIONS, session_timeout_ms=6000
    )
    fleet = WorkerFleet(config)
    await fleet.create_tables()
    return fleet


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        yield producer
