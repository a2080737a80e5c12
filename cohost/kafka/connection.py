"""Kafka connection settings and topic names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from cohost.kafka.closing import close_within
from cohost_schemas import topics
from cohost_schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Connection settings shared by all Kafka clients of this package.

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
        admin = AIOKafkaAdminClient(**self.client_options(), request_timeout_ms=10_000)
        try:
            await admin.start()
            described = await admin.describe_topics(list(topics_by_name))
        finally:
            await close_within(admin.close())
        for topic in described:
            if topic["error_code"]:
                raise for_code(topic["error_code"])(topic["topic"])
        return {topics_by_name[topic["topic"]]: len(topic["partitions"]) for topic in described}

    def create_consumer(self) -> AIOKafkaConsumer:
        """Return a new consumer without a group that reads only committed records."""
        return AIOKafkaConsumer(
            **self.client_options(),
            enable_auto_commit=False,
            # A reader that resumes from a position must get an error if the log no longer has it.
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=10_000,
            retry_backoff_ms=100,
            # A partition that is drained while its fetch is pending waits this long for the next fetch.
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=1024 * 1024,
            fetch_max_bytes=8 * 1024 * 1024,
        )
