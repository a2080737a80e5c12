"""Prometheus metrics of stages: counted by the broadcast service, or from its events."""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cohost_schemas.events import ParticipantQualityChanged, RecordingFinished
from cohost_schemas.types import ConnectionQuality, Message, RecordingStatus

SeatStep = Literal["granted", "connected", "publishing"]
"""What a seat reaches on its way to the air, named as the diagnosis' steps."""

_STEP_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600)


class StageMetrics:
    """The collectors of co-hosts on stage, of quality and recordings. No label names a room or a user."""

    def __init__(self, registry: CollectorRegistry) -> None:
        step_seconds = Histogram(
            "cohost_seat_step_seconds",
            "Seconds from the acceptance until the seat's grant, its first connection and its first track.",
            ["step"],
            registry=registry,
            buckets=_STEP_SECONDS,
        )
        quality_changes = Counter(
            "cohost_quality_changes",
            "Changes of a participant's reported connection quality, by the new one.",
            ["quality"],
            registry=registry,
        )
        recordings_ended = Counter(
            "cohost_recordings_ended", "Recordings that ended.", ["status"], registry=registry
        )
        self.connected = Gauge("cohost_co_hosts_connected", "Co-hosts who are connected.", registry=registry)
        self.in_grace = Gauge(
            "cohost_co_hosts_in_grace",
            "Co-hosts who disconnected and whose seat is kept for now.",
            registry=registry,
        )
        self.hard_muted = Gauge(
            "cohost_co_hosts_hard_muted", "Co-hosts with a source that is muted hard.", registry=registry
        )
        self._step_seconds = {step: step_seconds.labels(step) for step in get_args(SeatStep)}
        self._quality_changes = {
            quality: quality_changes.labels(quality) for quality in get_args(ConnectionQuality)
        }
        self._recordings_ended = {
            status: recordings_ended.labels(status) for status in get_args(RecordingStatus)
        }

    def count_event(self, event: Message) -> None:
        """Count a committed event of the broadcast service."""
        if isinstance(event, ParticipantQualityChanged):
            self._quality_changes[event.quality].inc()
        elif isinstance(event, RecordingFinished):
            self._recordings_ended[event.status].inc()

    def observe_step(self, step: SeatStep, seconds: float) -> None:
        """Count a seat that reached a step so long after the acceptance."""
        self._step_seconds[step].observe(seconds)
