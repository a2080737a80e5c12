"""Prometheus metrics of the live streams."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.gateway.streams.positions import StreamKind
from services.gateway.streams.subscription import EndReason


class StreamMetrics:
    """The streams' collectors, registered with the gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open_streams = Gauge("cohost_streams", "Open streams.", ["kind"], registry=registry)
        for kind in get_args(StreamKind):
            self.open_streams.labels(kind)
        self.records = Counter("cohost_stream_records", "Records read for the streams.", registry=registry)
        self.events = Counter("cohost_stream_events", "Events given to open streams.", registry=registry)
        self.past_reads = Counter(
            "cohost_stream_past_reads",
            "Reads of older records, for streams that resumed before those in memory.",
            registry=registry,
        )
        self.ended = Counter(
            "cohost_streams_ended", "Streams that have ended, by reason.", ["reason"], registry=registry
        )
        for reason in get_args(EndReason):
            self.ended.labels(reason)
