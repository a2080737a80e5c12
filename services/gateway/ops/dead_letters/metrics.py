"""Prometheus metrics of redrives."""

from prometheus_client import CollectorRegistry, Counter

from cohost_schemas.ops.dead_letters import RedriveResult


class RedriveMetrics:
    """Collectors of redrives, registered with the gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._redrives = Counter(
            "cohost_gateway_redrives",
            "Redrives of dead letters by result: written, unavailable, too_large, or the verdict.",
            ["result"],
            registry=registry,
        )

    def count_result(self, result: RedriveResult) -> None:
        """Count a redrive that was no dry run."""
        self._redrives.labels("written" if result.written else result.verdict).inc()

    def count_failure(self, reason: str) -> None:
        """Count a redrive that Kafka has not confirmed, or not taken."""
        self._redrives.labels(reason).inc()
