"""A pipeline inside the test's own process, its log, and its database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry

from messaging.config import Config
from messaging.metrics import Metrics
from messaging.pipeline import Pipeline
from schemas.topics import Topic
from tests.messaging.fleet import PARTITIONS, SECONDS
from tests.messaging.turnstile import Turnstile


@contextlib.asynccontextmanager
async def working(
    config: Config, domain: Turnstile | None = None, registry: CollectorRegistry | None = None
) -> AsyncIterator[Pipeline]:
    """Run a pipeline until the block is left; it must end in peace."""
    pipeline = Pipeline(config, domain or Turnstile(), Metrics(registry or CollectorRegistry(), "counter"))
    running = asyncio.create_task(pipeline.run())
    try:
        await until(lambda: pipeline.ready or running.done())
        if running.done():
            running.result()
        yield pipeline
    finally:
        pipeline.stop()
        await asyncio.wait_for(running, SECONDS)


async def until(condition: Any) -> None:
    """Wait until the condition (a function or an async one) holds."""
    async with asyncio.timeout(SECONDS):
        while True:
            holds = condition()
            if await holds if asyncio.iscoroutine(holds) else holds:
                return
            await asyncio.sleep(0.02)


async def log_of(config: Config, topic: Topic) -> list[ConsumerRecord]:
    """Return all that a read_committed reader finds in a topic now."""
    places = [TopicPartition(topic.name(config.prefix), number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    found: list[ConsumerRecord] = []
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
    finally:
        await consumer.stop()
    return found


async def query(config: Config, statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
    """Run a statement in the pipeline's schema."""
    connection = await asyncpg.connect(config.database_url)
    try:
        await connection.execute(f'SET search_path = "{config.schema}"')
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def made(config: Config, topic: Topic, setting: str, value: str) -> None:
    """Make a topic by hand, with a setting of one's own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=config.bootstrap_servers)
    await admin.start()
    topic_configs = {**dict(topic.config), setting: value}
    await admin.create_topics(
        [NewTopic(topic.name(config.prefix), PARTITIONS, 1, topic_configs=topic_configs)]
    )
    await admin.close()
