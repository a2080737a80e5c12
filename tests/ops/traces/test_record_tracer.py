"""What the span of a decision says of a record that anybody may have written."""

import json

from aiokafka import ConsumerRecord
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cohost_schemas import envelope
from messaging.inputs.parsing import RecordParser
from messaging.tracing.record_tracer import RecordTracer
from services.runtime.tracing.spans import OpenTelemetryTracer
from tests.messaging.counter_processor import TOPOLOGY


def command_record() -> ConsumerRecord:
    event = {
        "specversion": "1.0",
        "id": "command-1",
        "source": "/tests",
        "type": "unknown" * 10_000,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    return ConsumerRecord(
        *("cohost.invitations.commands", 0, 7, 1, 1, b"room", json.dumps(event).encode()),
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def test_the_attributes_of_a_decision_are_bounded() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = RecordTracer(OpenTelemetryTracer(provider.get_tracer("tests")), "group")
    span = tracer.begin_decision(RecordParser(TOPOLOGY.inputs, "cohost.", 1).parse_record(command_record()))
    assert span is not None
    span.end()
    [found] = exporter.get_finished_spans()
    texts = [value for value in (found.attributes or {}).values() if isinstance(value, str)]
    assert max(map(len, texts)) == envelope.MAX_ECHO_LENGTH
