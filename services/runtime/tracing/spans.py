"""Spans of OpenTelemetry's API, behind the seam of `messaging.tracing`."""

from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from messaging.tracing import tracer
from messaging.tracing.tracer import AttributeValue

_KINDS: Mapping[tracer.SpanKind, SpanKind] = {
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
}


class OpenTelemetrySpan:
    """A span that OpenTelemetry records."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.traceparent = format_parent(span.get_span_context())

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """Give the span the status of an error of this type."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span now."""
        self._span.end()


class OpenTelemetryTracer:
    """Begins spans with a tracer of OpenTelemetry."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def begin_span(
        self,
        name: str,
        kind: tracer.SpanKind,
        parent: str | None,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[str] = (),
    ) -> OpenTelemetrySpan:
        """Begin a span now; `parent` and `links` are valid `traceparent`s."""
        # An empty context, not the current one: that may be of another request or record.
        context = Context()
        if parent is not None:
            context = trace.set_span_in_context(NonRecordingSpan(_parse_parent(parent)), context)
        span = self._tracer.start_span(
            name,
            context,
            _KINDS[kind],
            attributes,
            [Link(_parse_parent(link)) for link in links],
        )
        return OpenTelemetrySpan(span)


def current_parent() -> str | None:
    """Return the `traceparent` of the current span of OpenTelemetry, None if there is none."""
    context = trace.get_current_span().get_span_context()
    return format_parent(context) if context.is_valid else None


def format_parent(context: SpanContext) -> str:
    """Return a span's context as a `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _parse_parent(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
