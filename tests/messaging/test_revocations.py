"""A session whose lanes are revoked again at once, without servers."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from cohost.kafka.closing import discard_producer
from messaging.cluster import ClusterInfo
from messaging.config import Config
from messaging.lanes.lane_listeners import LaneListeners
from messaging.metrics import PipelineMetrics
from messaging.session import Session
from tests.messaging.counter_processor import TOPOLOGY, CounterProcessor
from tests.messaging.lane_brokers import create_broker


class FakeKafkaConsumer:
    """An aiokafka consumer of empty partitions."""

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    end_offsets = beginning_offsets

    def resume(self, *_: TopicPartition) -> None:
        """Resume nothing."""


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    config = Config("127.0.0.1:1", "", "counter")
    broker = create_broker(config, TOPOLOGY)
    made_up: Any = SimpleNamespace(consumer=FakeKafkaConsumer())
    session = Session(
        config,
        broker,
        ClusterInfo("cluster", 3, 1_000_000, 1_000_000),
        CounterProcessor(),
        None,  # type: ignore[arg-type] - no lane is acquired
        PipelineMetrics(CollectorRegistry(), "counter"),
        lane_listeners=LaneListeners([]),
    )
    session._consumer._subscriber = made_up  # noqa: SLF001 - no Kafka is there to start the real one
    yield session
    await discard_producer(session._producer)  # noqa: SLF001 - as above


async def test_a_revocation_before_the_takeover_begins_ends_it(session: Session) -> None:
    session.on_assigned([])
    await session.on_revoked()
    assert not session.is_reading
    assert not session._consumer.has_sought  # noqa: SLF001 - or the next takeover's tick would trust positions
    assert not session.failure.done()
