from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from messaging.config import Config
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet


@pytest.fixture
async def fleet(kafka: str, database_url: str, prefix: str) -> WorkerFleet:
    fleet = WorkerFleet(
        Config(kafka, database_url, "counter", prefix=prefix, partitions=PARTITIONS, session_timeout_ms=6000)
    )
    await fleet.create_tables()
    return fleet


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await producer.start()
    yield producer
    await producer.stop()
