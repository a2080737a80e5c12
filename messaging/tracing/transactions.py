"""Trace Kafka transactions: one span, linked to the contexts of its sampled records."""

import contextlib
from collections.abc import Iterator, Sequence

from messaging.outbox.store import OutboxBatch
from messaging.tracing.context import is_sampled
from messaging.tracing.tracer import AttributeValue, Tracer, ending

# As the encoder writes it. In a value's strings every quote is escaped.
_PARENT = b',"traceparent":"'


@contextlib.contextmanager
def trace_transaction(tracer: Tracer | None, batches: Sequence[OutboxBatch]) -> Iterator[None]:
    """Trace the publication of these batches during the block, if a record of theirs is sampled.

    The contexts are read from the records: a takeover publishes what another worker decided.
    """
    links = _sampled_parents(batches) if tracer is not None else ()
    if tracer is None or not links:
        yield
        return
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": sum(len(batch.records) for batch in batches),
    }
    with ending(tracer.begin_span("send", "client", None, attributes, links)):
        yield


def _sampled_parents(batches: Sequence[OutboxBatch]) -> Sequence[str]:
    found: dict[str, None] = {}
    for batch in batches:
        for record in batch.records:
            if record.value is not None and (mark := record.value.find(_PARENT)) >= 0:
                start = mark + len(_PARENT)
                # A dead letter may hold anything.
                parent = record.value[start : record.value.find(b'"', start)].decode(errors="replace")
                if is_sampled(parent):
                    found[parent] = None
    return tuple(found)
