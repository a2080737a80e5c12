"""Send spans over OTLP with OpenTelemetry's SDK, the only place that imports it."""

import asyncio
import contextlib
import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from services.runtime.tracing.spans import OpenTelemetryTracer, current_parent

__all__ = ["SpanExport", "current_parent"]


class SpanExport:
    """A process' spans, sent in batches by a thread of the SDK."""

    def __init__(self, service: str) -> None:
        # The environment's names win: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        names = Resource.create({"service.name": service, "service.namespace": "cohost"})
        resource = names.merge(OTELResourceDetector().detect())
        self.provider = TracerProvider(
            # Who begins a trace decides whether it is recorded. Spans of batches, which have no parent, are
            # begun only with sampled records in them.
            sampler=ParentBased(ALWAYS_ON),
            resource=resource,
            # At the exit it would wait for a collector that is away.
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = OpenTelemetryTracer(self.provider.get_tracer("cohost"))

    async def close(self) -> None:
        """Send what is not sent yet, for as long as the caller waits."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self.provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(closed.set)

        # A daemon: the process need not wait for a collector that is away.
        threading.Thread(target=shut_down, daemon=True).start()
        await closed.wait()
