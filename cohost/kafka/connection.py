"""Kafka connection settings, topic names, and the clients that read."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.closing import close_within
from cohost_schemas import topics
from cohost_schemas.topics import Topic

_CLOSE_SECONDS = 2
_REQUEST_TIMEOUT_MS = 10_000


class TopicDescription(NamedTuple):
    """A topic on the broker: its full name, its number of partitions, and its error if it has one.

    Every partition has `replica_count` replicas or more.
    """

    name: str
    partition_count: int
    error: KafkaError | None
    replica_count: int = 0


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Connection settings shared by all Kafka clients of a program.

    `security` holds aiokafka's own arguments (`security_protocol`, `sasl_mechanism`, `ssl_context`, …).
    """

    bootstrap_servers: str
    prefix: str = topics.DEFAULT_PREFIX
    security: Mapping[str, Any] = field(default_factory=dict)

    def client_options(self) -> dict[str, Any]:
        """Return the arguments common to all aiokafka clients."""
        return {"bootstrap_servers": self.bootstrap_servers, **self.security}

    def topic_name(self, topic: Topic) -> str:
        """Return a topic's name on the broker."""
        return topic.full_name(self.prefix)

    def topic_suffix(self, name: str) -> str:
        """Return a topic's name without the prefix."""
        return name.removeprefix(self.prefix)

    async def partition_counts(self, requested: Iterable[Topic]) -> dict[Topic, int]:
        """Return the number of partitions per topic. Raises aiokafka's errors, also without permission."""
        topics_by_name = {self.topic_name(topic): topic for topic in requested}
        async with self.open_admin() as admin:
            described = await describe_topics(admin, topics_by_name)
        for topic in described:
            if topic.error is not None:
                raise topic.error
        return {topics_by_name[topic.name]: topic.partition_count for topic in described}

    @contextlib.asynccontextmanager
    async def open_admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """Start an admin client for the duration of the block."""
        admin = AIOKafkaAdminClient(**self.client_options(), request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await admin.start()
            yield admin
        finally:
            await close_within(admin.close(), _CLOSE_SECONDS)

    @contextlib.asynccontextmanager
    async def open_consumer(self, **options: Any) -> AsyncIterator[BoundedConsumer]:
        """Start a consumer, as `create_consumer` returns it, for the duration of the block."""
        consumer = self.create_consumer(**options)
        try:
            await consumer.start()
            yield consumer
        finally:
            await close_within(consumer.stop(), _CLOSE_SECONDS)

    def create_consumer(self, **options: Any) -> BoundedConsumer:
        """Return a new consumer without a group that reads only committed records.

        `options` are aiokafka's own arguments.
        """
        defaults = {
            "enable_auto_commit": False,
            # A reader that resumes from a position must get an error if the log no longer has it.
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": 100,
            # A partition that is drained while its fetch is pending waits this long for the next fetch.
            "fetch_max_wait_ms": 50,
            "max_partition_fetch_bytes": 1024 * 1024,
            "fetch_max_bytes": 8 * 1024 * 1024,
        }
        return BoundedConsumer(**{**self.client_options(), **defaults, **options})


async def describe_topics(admin: AIOKafkaAdminClient, names: Iterable[str]) -> list[TopicDescription]:
    """Return the broker's description, or its error, of each topic with one of these full names."""
    return [
        TopicDescription(
            topic["topic"],
            len(topic["partitions"]),
            for_code(topic["error_code"])(topic["topic"]) if topic["error_code"] else None,
            min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
        )
        for topic in await admin.describe_topics(list(names))
    ]
