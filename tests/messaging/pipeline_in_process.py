"""A pipeline in the test's process, with access to its topics and its database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import NewTopic
from prometheus_client import CollectorRegistry

from cohost.kafka import log_reader
from cohost_schemas.topics import Topic
from messaging.config import Config
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.processor import Processor
from messaging.tracing.tracer import Tracer
from tests import kafka_topics
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_brokers import create_broker
from tests.messaging.worker_fleet import PARTITIONS, TIMEOUT_SECONDS


@contextlib.asynccontextmanager
async def running_pipeline(
    config: Config,
    domain: Processor[Any] | None = None,
    registry: CollectorRegistry | None = None,
    migration_packages: tuple[str, ...] = (),
    tracer: Tracer | None = None,
) -> AsyncIterator[Pipeline]:
    """Run a pipeline during the block; it must stop without an error."""
    processor = domain or CounterProcessor()
    metrics = PipelineMetrics(registry or CollectorRegistry(), "counter")
    broker = create_broker(config, processor.topology)
    pipeline = Pipeline(config, broker, processor, metrics, migration_packages, tracer=tracer)
    running = asyncio.create_task(pipeline.run())
    try:
        await wait_until(lambda: pipeline.is_ready or running.done())
        if running.done():
            running.result()
        yield pipeline
    finally:
        pipeline.stop()
        await asyncio.wait_for(running, TIMEOUT_SECONDS)


async def wait_until(condition: Any) -> None:
    """Wait until a condition, sync or async, is true."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            holds = condition()
            if await holds if asyncio.iscoroutine(holds) else holds:
                return
            await asyncio.sleep(0.02)


async def read_topic(config: Config, topic: Topic, partitions: int = PARTITIONS) -> list[ConsumerRecord]:
    """Return every record that a read_committed consumer finds in a topic now."""
    places = [TopicPartition(topic.full_name(config.prefix), number) for number in range(partitions)]
    async with config.kafka.open_consumer() as consumer:
        bounds = await log_reader.offset_bounds(consumer, places)
        return [
            record
            async for fetched in log_reader.poll_partitions(consumer, *bounds)
            for records in fetched.values()
            for record in records
        ]


async def fetch_rows(config: Config, statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
    """Run a statement in the pipeline's schema and return its rows."""
    connection = await asyncpg.connect(config.database_url)
    try:
        await connection.execute(f'SET search_path = "{config.schema}"')
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def create_topic(config: Config, topic: Topic, setting: str, value: str) -> None:
    """Create a topic with one setting changed, and wait until the broker knows it."""
    name = topic.full_name(config.prefix)
    topic_configs = {**dict(topic.config), setting: value}
    async with config.kafka.open_admin() as admin:
        await kafka_topics.create_topics(admin, [NewTopic(name, PARTITIONS, 1, topic_configs=topic_configs)])
