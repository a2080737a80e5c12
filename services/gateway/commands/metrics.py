"""Prometheus metrics of the commands that come over HTTP."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from cohost.errors import Rejected
from cohost.events import Accepted
from cohost_schemas.types import CommandData

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class CommandMetrics:
    """Collectors of commands, registered with the gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commands = Counter(
            "cohost_gateway_commands",
            "Commands over HTTP by type and by what they were answered: accepted, a rejection's reason, "
            "pending, idempotency_key_reused or unavailable.",
            ["type", "outcome"],
            registry=registry,
        )
        self.outcome_seconds = Histogram(
            "cohost_gateway_outcome_seconds",
            "Seconds from a command's request to its outcome.",
            ["type"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.limited = Counter(
            "cohost_gateway_commands_limited",
            "Requests beyond the number of commands that a user may send in a minute.",
            registry=registry,
        )

    def observe(self, data: CommandData, result: Accepted[Any] | Rejected | str, seconds: float) -> None:
        """Count an answered command."""
        name = type(data).__name__
        if isinstance(result, str):
            outcome = "idempotency_key_reused" if result == "reused" else result
        else:
            outcome = result.reason if isinstance(result, Rejected) else "accepted"
            self.outcome_seconds.labels(name).observe(seconds)
        self.commands.labels(name, outcome).inc()
