"""The pipeline's metrics."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import get_args

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from messaging.intake import DeadLetterReason, Unread
from messaging.lanes import Lane

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000)


class Metrics:
    """The pipeline's collectors, in the service's own registry."""

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
        self.batch = Histogram(
            "cohost_batch_records", "Records in a batch.", registry=registry, buckets=_SIZES
        )
        self.stage = Histogram(
            "cohost_stage_seconds",
            "Seconds that a batch spends in a stage.",
            ["stage"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.lag = Gauge("cohost_lag_records", "Records not read yet.", ["topic", "lane"], registry=registry)
        self.outbox = Gauge(
            "cohost_outbox_segments",
            "Outbox batches committed but not published yet.",
            ["lane"],
            registry=registry,
        )
        self.lanes = Gauge("cohost_lanes", "Lanes that this worker owns.", registry=registry)
        self.recoveries = Counter(
            "cohost_recoveries", "Sessions restarted after an error or outage.", ["cause"], registry=registry
        )
        # A counter that first appears with its first event shows no increase, so alerting ones start at zero.
        for reason in get_args(DeadLetterReason):
            self.dead_letters.labels(reason)
        for refusal in get_args(Unread):
            self.commands.labels("-", refusal)
        self.service = Gauge("cohost_service_info", "The service.", ["service"], registry=registry)
        self.service.labels(service).set(1)

    def count(self, outcomes: Tally[tuple[str, str]], records: int) -> None:
        """Count the records and command outcomes of a committed batch."""
        if records:
            self.batch.observe(records)
        for (type_, outcome), number in outcomes.items():
            self.commands.labels(type_, outcome).inc(number)

    def unwatch(self) -> None:
        """Clear the gauges of lanes that are no longer owned; their last values would look current."""
        self.lanes.set(0)
        self.lag.clear()
        self.outbox.clear()

    def watch(self, consumer: AIOKafkaConsumer, topics: Sequence[str], lanes: Mapping[int, Lane]) -> None:
        """Set the gauges of the owned lanes."""
        self.unwatch()
        self.lanes.set(len(lanes))
        for number, lane in lanes.items():
            self.outbox.labels(number).set(lane.segment - lane.published)
            for index, topic in enumerate(topics):
                end = consumer.highwater(TopicPartition(topic, number))
                if end is not None:
                    self.lag.labels(topic, number).set(max(0, end - lane.positions[index]))
