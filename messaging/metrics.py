"""The pipeline's metrics."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import get_args

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from messaging.inputs.parsing import DeadLetterReason, ParseRejectionReason
from messaging.lanes.lane import Lane
from messaging.lanes.unread_age import UnreadAges

_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECORDS_BUCKETS = (1, 3, 10, 30, 100, 300, 1000, 3000)


class PipelineMetrics:
    """The pipeline's collectors, in the service's own registry. A stage here is a step of the pipeline."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self.registry = registry
        self.commands = Counter(
            "cohost_commands",
            "Commands by type and outcome.",
            ["type", "outcome"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "cohost_dead_letters", "Records sent to the dead-letter topic.", ["reason"], registry=registry
        )
        self.batch_records = Histogram(
            "cohost_batch_records", "Records in a batch.", registry=registry, buckets=_RECORDS_BUCKETS
        )
        self.stage_seconds = Histogram(
            "cohost_stage_seconds",
            "Seconds that a batch spends in a stage.",
            ["stage"],
            registry=registry,
            buckets=_SECONDS_BUCKETS,
        )
        self.lag_records = Gauge(
            "cohost_lag_records", "Records not read yet.", ["topic", "lane"], registry=registry
        )
        self.oldest_unread_seconds = Gauge(
            "cohost_oldest_unread_seconds",
            "Age of the oldest record not read yet, as seen by this worker.",
            ["topic", "lane"],
            registry=registry,
        )
        self._unread_ages = UnreadAges()
        self.outbox_batches = Gauge(
            "cohost_outbox_segments",
            "Outbox batches committed but not published yet.",
            ["lane"],
            registry=registry,
        )
        self.outbox_oldest_seconds = Gauge(
            "cohost_outbox_oldest_seconds",
            "Age of the oldest outbox batch of any worker that is not published, as seen by this one.",
            registry=registry,
        )
        self.owned_lanes = Gauge("cohost_lanes", "Lanes that this worker owns.", registry=registry)
        self.recoveries = Counter(
            "cohost_recoveries", "Sessions restarted after an error or outage.", ["cause"], registry=registry
        )
        self.connections = Gauge(
            "cohost_postgres_connections", "Open connections to Postgres.", ["state"], registry=registry
        )
        self.connection_limit = Gauge(
            "cohost_postgres_connections_limit",
            "Connections to Postgres that this worker may open.",
            registry=registry,
        )
        # A counter that first appears with its first event shows no increase, so alerting ones start at zero.
        for reason in get_args(DeadLetterReason):
            self.dead_letters.labels(reason)
        for rejection_reason in get_args(ParseRejectionReason):
            self.commands.labels("-", rejection_reason)
        self.service_info = Gauge("cohost_service_info", "The service.", ["service"], registry=registry)
        self.service_info.labels(service).set(1)

    def watch_pools(self, pools: Sequence[asyncpg.Pool]) -> None:
        """Count the connections of these pools whenever the metrics are read."""
        self.connections.labels("busy").set_function(
            lambda: sum(pool.get_size() - pool.get_idle_size() for pool in pools)
        )
        self.connections.labels("idle").set_function(lambda: sum(pool.get_idle_size() for pool in pools))
        self.connection_limit.set(sum(pool.get_max_size() for pool in pools))

    def count_batch(
        self, command_counts: Tally[tuple[str, str]], dead_letter_counts: Tally[str], record_count: int
    ) -> None:
        """Count the records, command outcomes and dead letters of a committed batch."""
        if record_count:
            self.batch_records.observe(record_count)
        for (command_type, outcome), number in command_counts.items():
            self.commands.labels(command_type, outcome).inc(number)
        for reason, number in dead_letter_counts.items():
            self.dead_letters.labels(reason).inc(number)

    def clear_lanes(self) -> None:
        """Clear the gauges of lanes that are no longer owned; their last values would look current."""
        self.owned_lanes.set(0)
        self.lag_records.clear()
        self.oldest_unread_seconds.clear()
        self.outbox_batches.clear()

    def update_lanes(
        self, consumer: AIOKafkaConsumer, topics: Mapping[str, str], lanes: Mapping[int, Lane]
    ) -> None:
        """Set the gauges of the owned lanes; `topics` are the inputs' suffixes by full name."""
        self.clear_lanes()
        self.owned_lanes.set(len(lanes))
        for number, lane in lanes.items():
            self.outbox_batches.labels(number).set(lane.unpublished_count)
            for topic, suffix in topics.items():
                partition = TopicPartition(topic, number)
                end = consumer.highwater(partition)
                if end is not None:
                    position = lane.position(suffix)
                    self.lag_records.labels(topic, number).set(max(0, end - position))
                    age = self._unread_ages.measure(partition, position, end)
                    self.oldest_unread_seconds.labels(topic, number).set(age)
