"""Where Kafka is and how the topics are named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from cohost.closing import close
from schemas import topics
from schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class Connection:
    """What every Kafka client of this package is made with.

    `security` holds aiokafka's own arguments (`security_protocol`, `sasl_mechanism`, `ssl_context`, …).
    """

    bootstrap_servers: str
    prefix: str = topics.DEFAULT_PREFIX
    security: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Return the arguments that every aiokafka client takes."""
        return {"bootstrap_servers": self.bootstrap_servers, **self.security}

    def name(self, topic: Topic) -> str:
        """Return a topic's name on the broker."""
        return topic.name(self.prefix)

    def suffix(self, name: str) -> str:
        """Return a topic's name without the prefix."""
        return name.removeprefix(self.prefix)

    async def partitions(self, wanted: Iterable[Topic]) -> dict[Topic, int]:
        """Return how many partitions topics have. Raises aiokafka's errors, also for what is not allowed."""
        named = {self.name(topic): topic for topic in wanted}
        admin = AIOKafkaAdminClient(**self.options(), request_timeout_ms=10_000)
        try:
            await admin.start()
            described = await admin.describe_topics(list(named))
        finally:
            await close(admin.close())
        for topic in described:
            if topic["error_code"]:
                raise for_code(topic["error_code"])(topic["topic"])
        return {named[topic["topic"]]: len(topic["partitions"]) for topic in described}

    def consumer(self) -> AIOKafkaConsumer:
        """Return a consumer without a group, for committed records alone."""
        return AIOKafkaConsumer(
            **self.options(),
            enable_auto_commit=False,
            # Whoever reads on from a position must hear of it when the log does not reach back to it.
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=10_000,
            retry_backoff_ms=100,
            # A partition that was drained while the fetch is parked waits this long for the next.
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=1024 * 1024,
            fetch_max_bytes=8 * 1024 * 1024,
        )
