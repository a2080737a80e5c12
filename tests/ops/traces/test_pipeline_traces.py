"""The spans of a pipeline: one per sampled record, and batches as links to them."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from cohost_schemas import envelope, ids, topics
from messaging.database import Connection
from messaging.processor import InputRecord
from services.runtime.tracing.traces import start_traces
from tests.contract.polling import wait_until
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_inputs import COMMANDS, LANE, ROOM, leave_command, send_record
from tests.messaging.pipeline_in_process import read_topic, running_pipeline
from tests.messaging.worker_fleet import WorkerFleet
from tests.ops.traces.otlp_collector import CollectedSpan, OtlpCollector

PARENT_SPAN = "00f067aa0ba902b7"


@dataclass
class TracedPipeline:
    """A running pipeline whose spans reach the collector."""

    fleet: WorkerFleet
    producer: AIOKafkaProducer
    collector: OtlpCollector

    @property
    def commands_topic(self) -> str:
        return COMMANDS.full_name(self.fleet.config.prefix)

    async def send(
        self, value: bytes, command_id: str | None = None, *, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        await send_record(self.producer, self.commands_topic, value, headers=[*headers])
        if command_id is not None:
            self.fleet.sent_ids.append(command_id)

    async def outcome_of(self, command_id: str) -> dict[str, Any]:
        """Return the event or the rejection of a command, once it is published."""
        await self.fleet.wait_until_decided()
        for topic in (topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS):
            for record in await read_topic(self.fleet.config, topic):
                event: dict[str, Any] = json.loads(record.value)
                if event["causationid"] == command_id:
                    return event
        raise AssertionError(command_id)


@contextlib.asynccontextmanager
async def traced_pipeline(
    fleet: WorkerFleet,
    producer: AIOKafkaProducer,
    collector: OtlpCollector,
    processor: CounterProcessor | None = None,
) -> AsyncIterator[TracedPipeline]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.variables.items():
            patch.setenv(name, value)
        traces = start_traces("counter")
    try:
        async with running_pipeline(fleet.config, processor, tracer=traces.tracer):
            yield TracedPipeline(fleet, producer, collector)
    finally:
        await traces.close()


@pytest.fixture
async def pipeline(
    fleet: WorkerFleet, producer: AIOKafkaProducer, collector: OtlpCollector
) -> AsyncIterator[TracedPipeline]:
    async with traced_pipeline(fleet, producer, collector) as running:
        yield running


def new_trace() -> str:
    return secrets.token_hex(16)


def parent_of(trace: str, flags: str = "01") -> str:
    return f"00-{trace}-{PARENT_SPAN}-{flags}"


def leave_event(command_id: str, actor: str = "bob", **attributes: str) -> bytes:
    data = {"roomId": ROOM, "actorId": actor}
    return envelope.encode_event(
        envelope.build_cloud_event(
            "LeaveStage", data, event_id=command_id, source="/tests", subject=ROOM, **attributes
        )
    )


def assert_carries(event: dict[str, Any], span: CollectedSpan) -> None:
    assert event["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"


async def test_a_sampled_command_has_the_span_of_its_decision(pipeline: TracedPipeline) -> None:
    trace, command_id = new_trace(), ids.uuid7()
    value = leave_event(
        command_id, traceparent=parent_of(trace), tracestate="vendor=1", correlationid="show 7"
    )
    await pipeline.send(value, command_id)
    name = f"process {pipeline.commands_topic}"
    span = await pipeline.collector.wait_for(trace, name)
    assert (span.kind, span.parent_id, span.failed) == ("consumer", PARENT_SPAN, False)
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": f"{pipeline.fleet.config.prefix}invitations",
        "messaging.destination.name": pipeline.commands_topic,
        "messaging.destination.partition.id": str(LANE),
        "messaging.kafka.offset": 0,
        "messaging.message.id": command_id,
        "messaging.message.conversation_id": "show 7",
        "cloudevents.event_type": "cohost.LeaveStage.v1",
        "cohost.room_id": ROOM,
        "cohost.outcome": "accepted",
        "cohost.events": ["CoHostLeft"],
    }
    event = await pipeline.outcome_of(command_id)
    assert_carries(event, span)
    assert event["tracestate"] == "vendor=1"


async def test_batches_are_linked_to_the_decisions_in_them(pipeline: TracedPipeline) -> None:
    trace, command_id = new_trace(), ids.uuid7()
    await pipeline.send(leave_event(command_id, traceparent=parent_of(trace)), command_id)
    span = await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    await pipeline.fleet.wait_until_published()
    for name, operation in (("commit", "settle"), ("send", "send")):
        [batch] = await wait_for_links(pipeline.collector, span, name)
        assert (batch.kind, batch.parent_id, batch.failed) == ("client", "", False)
        assert batch.attributes["messaging.operation.type"] == operation
        assert batch.attributes["messaging.batch.message_count"] == 1


async def wait_for_links(collector: OtlpCollector, span: CollectedSpan, name: str) -> list[CollectedSpan]:
    found: list[CollectedSpan] = await wait_until(
        lambda: collector.linked_to(span, name), f"{name} linked to {span}"
    )
    return found


async def test_the_context_may_come_in_kafka_headers(pipeline: TracedPipeline) -> None:
    trace, command_id = new_trace(), ids.uuid7()
    headers = [("traceparent", parent_of(new_trace()).encode()), ("traceparent", parent_of(trace).encode())]
    await pipeline.send(leave_event(command_id), command_id, headers=headers)
    span = await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    assert span.parent_id == PARENT_SPAN
    assert_carries(await pipeline.outcome_of(command_id), span)


async def test_the_attribute_goes_before_the_header(pipeline: TracedPipeline) -> None:
    trace, other, command_id = new_trace(), new_trace(), ids.uuid7()
    headers = [("traceparent", parent_of(other).encode())]
    await pipeline.send(leave_event(command_id, traceparent=parent_of(trace)), command_id, headers=headers)
    await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    assert pipeline.collector.find(other) == []


async def test_a_refused_command_says_so(pipeline: TracedPipeline) -> None:
    trace, command_id = new_trace(), ids.uuid7()
    await pipeline.send(leave_event(command_id, "nobody", traceparent=parent_of(trace)), command_id)
    span = await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    assert (span.outcome, span.failed) == (("refused", "not_co_host"), False)
    assert_carries(await pipeline.outcome_of(command_id), span)


async def test_a_command_that_cannot_be_read_is_refused_too(pipeline: TracedPipeline) -> None:
    trace, command_id = new_trace(), ids.uuid7()
    await pipeline.send(leave_event(command_id, "", traceparent=parent_of(trace)), command_id)
    span = await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    assert span.outcome == ("refused", "invalid_command")


async def test_a_dead_letter_is_an_error(pipeline: TracedPipeline) -> None:
    trace, topic = new_trace(), topics.ROOMS.full_name(pipeline.fleet.config.prefix)
    event = envelope.build_cloud_event(
        "Unheard", {}, event_id="fact", source="/tests", subject=ROOM, traceparent=parent_of(trace)
    )
    await send_record(pipeline.producer, topic, envelope.encode_event(event))
    span = await pipeline.collector.wait_for(trace, f"process {topic}")
    assert (span.outcome, span.failed) == (("dead_letter", "unknown_fact"), True)
    assert span.attributes["error.type"] == "unknown_fact"


@pytest.mark.parametrize("value", [b',"traceparent":"', b',"traceparent":"\xff"'])
async def test_dead_letters_that_look_like_traces_are_published(
    pipeline: TracedPipeline, value: bytes
) -> None:
    await pipeline.send(value)
    trace, command_id = new_trace(), ids.uuid7()
    await pipeline.send(leave_event(command_id, traceparent=parent_of(trace)), command_id)
    await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    await pipeline.fleet.wait_until_decided()
    [letter] = await read_topic(pipeline.fleet.config, topics.INVITATION_DEAD_LETTERS)
    assert letter.value == value


@pytest.mark.parametrize("apart", [True, False])
async def test_a_repeated_command_says_so(pipeline: TracedPipeline, *, apart: bool) -> None:
    first, second, command_id = new_trace(), new_trace(), ids.uuid7()
    name = f"process {pipeline.commands_topic}"
    await pipeline.send(leave_event(command_id, traceparent=parent_of(first)), command_id)
    if apart:
        await pipeline.fleet.wait_until_decided()
    await pipeline.send(leave_event(command_id, traceparent=parent_of(second)))
    assert (await pipeline.collector.wait_for(first, name)).outcome == ("accepted", None)
    assert (await pipeline.collector.wait_for(second, name)).outcome == ("repeated", None)
    assert [len(pipeline.collector.find(trace)) for trace in (first, second)] == [1, 1]


@pytest.mark.parametrize(
    "parent",
    [
        parent_of("4bf92f3577b34da6a3ce929d0e0e4736", "00"),
        "not a trace",
        f"00-{'0' * 32}-{PARENT_SPAN}-01",
        f"ff-4bf92f3577b34da6a3ce929d0e0e4736-{PARENT_SPAN}-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{PARENT_SPAN}-01-more",
        None,
    ],
)
async def test_without_a_sampled_context_there_is_no_span(
    pipeline: TracedPipeline, parent: str | None
) -> None:
    command_id, trace, last = ids.uuid7(), new_trace(), ids.uuid7()
    attributes = {} if parent is None else {"traceparent": parent}
    await pipeline.send(leave_event(command_id, **attributes), command_id)
    assert (await pipeline.outcome_of(command_id)).get("traceparent") == parent
    await pipeline.send(leave_event(last, traceparent=parent_of(trace)), last)
    span = await pipeline.collector.wait_for(trace, f"process {pipeline.commands_topic}")
    await wait_for_links(pipeline.collector, span, "send")
    names = sorted(span.name for span in pipeline.collector.spans)
    assert names == ["commit", f"process {pipeline.commands_topic}", "send"]


class FencedOnce(CounterProcessor):
    """A processor whose lane is claimed by another owner while its first command is being decided."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self._is_fenced = False

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        await super().load(connection, records)
        if records and not self._is_fenced:
            self._is_fenced = True
            other = await asyncpg.connect(self._database_url)
            await other.execute("UPDATE counter.lanes SET epoch = epoch + 1 WHERE lane = $1", LANE)
            await other.close()


async def test_a_fenced_decision_is_an_error_and_the_next_owners_has_a_span(
    fleet: WorkerFleet, producer: AIOKafkaProducer, collector: OtlpCollector
) -> None:
    trace, (command_id, _) = new_trace(), leave_command()
    processor = FencedOnce(fleet.config.database_url)
    async with traced_pipeline(fleet, producer, collector, processor) as pipeline:
        await pipeline.send(leave_event(command_id, traceparent=parent_of(trace)), command_id)
        name = f"process {pipeline.commands_topic}"
        fenced = await collector.wait_for(trace, name, outcome="fenced")
        accepted = await collector.wait_for(trace, name, outcome="accepted")
        assert (fenced.failed, fenced.attributes["error.type"], accepted.failed) == (True, "Fenced", False)
        [commit] = collector.linked_to(fenced, "commit")
        assert (commit.failed, commit.attributes["error.type"]) == (True, "Fenced")
        assert_carries(await pipeline.outcome_of(command_id), accepted)
    assert (await fleet.run_audit()).violations == []
