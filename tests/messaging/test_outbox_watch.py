"""The age of the outbox while Kafka is away, without a server: Postgres' answers are replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from messaging import cluster, database, pipeline
from messaging.config import Config
from messaging.metrics import PipelineMetrics
from messaging.outbox import store
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.pipeline_in_process import create_broker, wait_until

CONFIG = Config("127.0.0.1:1", "postgresql://127.0.0.1:1/none", "counter")


class PoolStub:
    """A pool that gives out no connection."""

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        yield

    def get_max_size(self) -> int:
        return 1

    async def expire_connections(self) -> None: ...

    def terminate(self) -> None: ...


async def test_the_outbox_ages_while_no_session_can_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create_pool(*_: Any, **__: Any) -> PoolStub:
        return PoolStub()

    async def find_no_kafka(_: Config) -> None:
        raise KafkaConnectionError

    async def find_oldest(*_: Any) -> dict[int, int]:
        return {0: 7}

    monkeypatch.setattr(database, "create_pool", create_pool)
    monkeypatch.setattr(cluster, "ensure_topics", find_no_kafka)
    monkeypatch.setattr(store.OldestBatches, "find", find_oldest)
    monkeypatch.setattr(pipeline, "_OUTBOX_INTERVAL_SECONDS", 0.01)
    registry, processor = CollectorRegistry(), CounterProcessor()
    metrics = PipelineMetrics(registry, "counter")
    worker = pipeline.Pipeline(CONFIG, create_broker(CONFIG, processor.topology), processor, metrics)
    running = asyncio.create_task(worker.run())
    try:
        await wait_until(lambda: registry.get_sample_value("cohost_outbox_oldest_seconds"))
    finally:
        worker.stop()
        await running
