"""Topics of tests: the broker knows a topic a while after it has answered that it was created."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from cohost.kafka.connection import describe_topics
from messaging import cluster
from messaging.cluster import ClusterInfo
from messaging.config import Config
from tests.contract.polling import wait_until

_ENSURE_SECONDS = 120
_READABLE_SECONDS = 60


async def ensure_topics(config: Config) -> ClusterInfo:
    """Create and check the topics; try again while Kafka is too slow for it, as the pipeline does."""
    deadline = time.monotonic() + _ENSURE_SECONDS
    while True:
        try:
            return await cluster.ensure_topics(config)
        except KafkaError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def wait_until_readable(consumer: AIOKafkaConsumer, written: Mapping[TopicPartition, int]) -> None:
    """Wait until readers of committed records see these offsets: a commit is answered before.

    The consumer reads committed records.
    """
    async with asyncio.timeout(_READABLE_SECONDS):
        while any(end <= written[at] for at, end in (await consumer.end_offsets(list(written))).items()):
            await asyncio.sleep(0.005)


async def create_topics(admin: AIOKafkaAdminClient, requested: Sequence[NewTopic]) -> None:
    """Create the topics that are missing, and wait until the broker knows all of them."""
    answer = await admin.create_topics(list(requested))
    names = [topic.name for topic in requested]
    # An error need not be final: the topic may exist, or be created after the answer.
    await wait_until(lambda: are_known(admin, names), f"the new topics: {answer.topic_errors}")


async def wait_until_known(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until the broker knows all of these topics."""
    await wait_until(lambda: are_known(admin, names), "the new topics")


async def are_known(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    """Return whether the broker knows topics, which takes a while after a creation and a deletion."""
    return all(topic.error is None for topic in await describe_topics(admin, names))
