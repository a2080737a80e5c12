"""The seam by which a service traces its pipeline. Without a tracer nothing is traced.

Only what belongs to a sampled trace has a span: whether a trace is recorded is decided where it begins. The
names of attributes are those of OpenTelemetry's semantic conventions, version 1.44.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol, TypeAlias

from cohost_schemas.envelope import Correlation
from messaging.tracing.context import is_sampled

AttributeValue: TypeAlias = str | int | Sequence[str]
SpanKind = Literal["client", "consumer", "internal", "producer"]


class Span(Protocol):
    """A span that is recorded once it ends; one that never ends leaves no trace."""

    @property
    def traceparent(self) -> str:
        """Return what a record that follows from the span's work carries."""
        ...

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes."""
        ...

    def fail(self, error_type: str) -> None:
        """Give the span the status of an error of this type."""
        ...

    def end(self) -> None:
        """End the span now."""
        ...


class Tracer(Protocol):
    """Begins spans."""

    def begin_span(
        self,
        name: str,
        kind: SpanKind,
        parent: str | None,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[str] = (),
    ) -> Span:
        """Begin a span now; `parent` and `links` are `traceparent`s. Without a parent it begins a trace."""
        ...


_current_parent: ContextVar[str | None] = ContextVar("current_parent", default=None)


@contextlib.contextmanager
def ending(span: Span) -> Iterator[None]:
    """End the span with the block, with the error that ends the block."""
    try:
        yield
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


def trace_sending(
    tracer: Tracer | None, topic: str, message_id: str | None, correlation: Correlation | None
) -> AbstractContextManager[Correlation | None]:
    """Trace the sending of one record during the block, and return the correlation that it must carry."""
    if tracer is None or correlation is None or not is_sampled(correlation.traceparent):
        return nullcontext(correlation)
    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        **({"messaging.message.id": message_id} if message_id is not None else {}),
    }
    span = tracer.begin_span(f"send {topic}", "producer", correlation.traceparent, attributes)
    return _carrying(span, correlation)


def trace_work(
    tracer: Tracer | None, name: str, correlation: Correlation | None, room_id: str
) -> AbstractContextManager[Correlation | None]:
    """Trace background work for a room, and the calls in it, during the block.

    Returns the correlation that what follows from the work must carry.
    """
    if tracer is None or correlation is None or not is_sampled(correlation.traceparent):
        return nullcontext(correlation)
    span = tracer.begin_span(name, "internal", correlation.traceparent, {"cohost.room_id": room_id})
    return _carrying(span, correlation)


@contextlib.contextmanager
def _carrying(span: Span, correlation: Correlation) -> Iterator[Correlation]:
    """Make the span the parent of calls, and end it with the block."""
    token = _current_parent.set(span.traceparent)
    try:
        with ending(span):
            yield correlation._replace(traceparent=span.traceparent)
    finally:
        _current_parent.reset(token)


def begin_call(tracer: Tracer | None, service: str, method: str) -> Span | None:
    """Begin the span of a remote call, None if it is not part of traced work."""
    parent = _current_parent.get() if tracer is not None else None
    if tracer is None or parent is None:
        return None
    name = f"{service}/{method}"
    return tracer.begin_span(name, "client", parent, {"rpc.system.name": "twirp", "rpc.method": name})
