"""Prometheus metrics of the exporter itself, and the condition under which it shows those of the business."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class LogMetrics:
    """The collectors of what was read, by topic."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter("cohost_exporter_records", "Records counted.", ["topic"], registry=registry)
        self.duplicates = Counter(
            "cohost_exporter_duplicates",
            "Records that were not counted: their sequence was read before.",
            ["topic"],
            registry=registry,
        )
        self.missing = Counter(
            "cohost_exporter_missing_records",
            "Records that are missing between two sequences.",
            ["topic"],
            registry=registry,
        )
        self.deleted = Gauge(
            "cohost_exporter_deleted_records",
            "Records that were deleted from the beginning of the log before this process read it.",
            ["topic"],
            registry=registry,
        )
        self.unreadable = Counter(
            "cohost_exporter_unreadable_records",
            "Records that are no event which this version knows.",
            ["topic"],
            registry=registry,
        )

    def start_topic(self, topic: str) -> None:
        """Start a topic's series at zero."""
        for collector in (self.records, self.duplicates, self.missing, self.deleted, self.unreadable):
            collector.labels(topic)


class HasReadiness(Protocol):
    """A part of the process that is ready at some time."""

    @property
    def is_ready(self) -> bool:
        """Return whether it is ready."""


class CaughtUpCollector(Collector):
    """The collectors of another registry, once the log was read to its end.

    Before that a counter would grow from zero to where it stood before a restart, which Prometheus takes for
    an increase.
    """

    def __init__(self, registry: CollectorRegistry, follower: HasReadiness) -> None:
        self._registry = registry
        self._follower = follower

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are known when the series appear."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics, or nothing."""
        if self._follower.is_ready:
            yield from self._registry.collect()
