"""Kafka connection settings and topic names."""

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
    """Connection settings shared by all Kafka clients of this package.

    `security` holds aiokafka's own arguments (`security_protocol`, `sasl_mechanism`, `ssl_context`, …).
    """

    bootstrap_servers: str
    prefix: str = topics.DEFAULT_PREFIX
    security: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Return the arguments common to all aiokafka clients."""
        return {"bootstrap_servers": self.bootstrap_servers, **self.security}

    def name(self, topic: Topic) -> str:
        """Return a topic's name on the broker."""
        return topic.name(self.prefix)

    def suffix(self, name: str) -> str:
        """Return a topic's name without the prefix."""
        return name.removeprefix(self.prefix)

    async def partitions(self, wanted: Iterable[Topic]) -> dict[Topic, int]:
        """Return the number of partitions per topic. Raises aiokafka's errors, also without permission."""
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
        """Return a new consumer without a group that reads only committed records."""
        return AIOKafkaConsumer(
            **self.options(),
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
