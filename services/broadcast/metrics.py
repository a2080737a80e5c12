"""Prometheus metrics of LiveKit calls and webhooks, and the numbers of stages."""

from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.broadcast.batch_changes import BatchChanges
from services.broadcast.domain.state import CoHostState
from services.runtime.business.lane_totals import LaneTotals
from services.runtime.business.stage_metrics import StageMetrics

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LiveKitMetrics:
    """Broadcast's own collectors, registered with the service's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "cohost_livekit_calls", "Calls to LiveKit.", ["method", "result"], registry=registry
        )
        self.call_seconds = Histogram(
            "cohost_livekit_seconds",
            "Seconds that a call to LiveKit takes.",
            ["method"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.unfinished = Gauge(
            "cohost_livekit_unfinished",
            "Users and rooms of all lanes for whom LiveKit is not yet as it should be.",
            registry=registry,
        )
        self.oldest_look = Gauge(
            "cohost_livekit_oldest_look_seconds",
            "Seconds since the room that waits the longest was compared with LiveKit.",
            registry=registry,
        )
        self.intruders = Counter(
            "cohost_intruders", "Intruders demoted or removed.", ["action"], registry=registry
        )
        for action in ("demoted", "removed"):
            self.intruders.labels(action)
        self.webhooks = Counter(
            "cohost_livekit_webhooks", "Webhooks by result.", ["result"], registry=registry
        )
        for result in ("written", "ignored", "unsigned", "unavailable"):
            self.webhooks.labels(result)


class StageNumbers:
    """Counts committed events, and shows the states of the co-hosts in this worker's lanes."""

    def __init__(self, registry: CollectorRegistry, totals: LaneTotals) -> None:
        self._metrics = StageMetrics(registry)
        self._totals = totals
        for state in get_args(CoHostState):
            getattr(self._metrics, state).set_function(partial(totals.total, state))

    def count_committed(self, changes: BatchChanges) -> None:
        """Count the events and the changes of a committed batch."""
        for event in changes.events:
            self._metrics.count_event(event)
        for step, seconds in changes.seat_steps:
            self._metrics.observe_step(step, seconds)
        self._totals.add_committed(changes.co_host_changes)
