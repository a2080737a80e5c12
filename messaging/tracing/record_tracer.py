"""Trace the decisions of records and the commits of batches."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal

from cohost_schemas import envelope
from messaging.errors import Fenced
from messaging.inputs.parsing import ParsedRecord
from messaging.processor import DuplicateCommands
from messaging.tracing.context import is_sampled
from messaging.tracing.tracer import AttributeValue, Span, Tracer

Outcome = Literal["accepted", "refused", "repeated", "dead_letter", "fenced", "unknown"]


class RecordTracer:
    """Begins a span for each record whose context is sampled; `group` is the service's consumer group.

    The spans of a batch end with its commit. Those of a batch that is decided again are dropped.
    """

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group

    def begin_decision(self, parsed: ParsedRecord) -> Span | None:
        """Begin the span of a record's decision; None if the record's context is not sampled.

        What follows from the record carries the span on in place of the record's own context.
        """
        correlation = parsed.correlation
        if correlation is None or not is_sampled(correlation.traceparent):
            return None
        name = f"process {parsed.raw_record.topic}"
        span = self._tracer.begin_span(
            name, "consumer", correlation.traceparent, self._record_attributes(parsed)
        )
        parsed.carry_span(span)
        return span

    @contextlib.contextmanager
    def trace_commit(self, decisions: Sequence[Span], record_count: int) -> Iterator[None]:
        """Trace the commit of a batch, and end the spans of its decisions with it."""
        if not decisions:
            yield
            return
        attributes: dict[str, AttributeValue] = {
            **self._group_attributes("commit", "settle"),
            "messaging.batch.message_count": record_count,
        }
        links = [span.traceparent for span in decisions]
        spans = (*decisions, self._tracer.begin_span("commit", "client", None, attributes, links))
        try:
            yield
        except DuplicateCommands:
            raise
        except BaseException as error:
            # The next owner decides a fenced batch; a takeover finds out whether Postgres has the others.
            outcome: Outcome = "fenced" if isinstance(error, Fenced) else "unknown"
            for span in spans:
                set_outcome(span, outcome)
                span.fail(type(error).__name__)
                span.end()
            raise
        for span in spans:
            span.end()

    def _record_attributes(self, parsed: ParsedRecord) -> dict[str, AttributeValue]:
        record = parsed.raw_record
        attributes: dict[str, AttributeValue] = {
            **self._group_attributes("process", "process"),
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.message.id": parsed.id,
        }
        if parsed.envelope is not None:
            # The type of an unknown command may be as long as its record.
            attributes["cloudevents.event_type"] = parsed.envelope.type[: envelope.MAX_ECHO_LENGTH]
        if parsed.correlation is not None:
            attributes["messaging.message.conversation_id"] = parsed.correlation.correlationid
        room_id = getattr(parsed.input_record and parsed.input_record.data, "room_id", None)
        if room_id is not None:
            attributes["cohost.room_id"] = room_id
        return attributes

    def _group_attributes(self, operation: str, operation_type: str) -> dict[str, AttributeValue]:
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation_type,
            "messaging.consumer.group.name": self._group,
        }


def set_outcome(
    span: Span | None, outcome: Outcome, reason: str | None = None, events: Sequence[str] = ()
) -> None:
    """Add the outcome of a record to the span of its decision, if it has one."""
    if span is None:
        return
    span.set_attributes({"cohost.outcome": outcome})
    if reason is not None:
        span.set_attributes({"cohost.reason": reason})
    if events:
        span.set_attributes({"cohost.events": events})
    if outcome == "dead_letter":
        span.fail(reason or outcome)
