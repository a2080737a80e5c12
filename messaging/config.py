"""The pipeline's configuration, built from a service's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import topics


@dataclass(frozen=True, slots=True)
class Config:
    """The addresses of Kafka and Postgres, the names of the topics, and the consumer's limits.

    `security` holds aiokafka's own arguments (`security_protocol`, `sasl_mechanism`, `ssl_context`, …).
    `schema` is the Postgres schema that the service owns. `max_lost_facts` is the number of facts in use that
    a takeover may treat as deleted because their topics lost them.
    """

    bootstrap_servers: str
    database_url: str
    schema: str
    security: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = topics.DEFAULT_PREFIX
    partitions: int = topics.DEFAULT_PARTITIONS
    replication_factor: int = 1
    expects_replicas: bool = False
    create_topics: bool = True
    session_timeout_ms: int = 10_000
    max_records: int = 4000
    batch_pause_ms: int = 5
    fetch_max_wait_ms: int = 10
    max_lost_facts: int = 5

    @property
    def kafka(self) -> KafkaConnection:
        """Return the Kafka part, which the clients are made from."""
        return KafkaConnection(self.bootstrap_servers, self.prefix, self.security)
