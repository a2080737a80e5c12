"""The encoder writes the bytes that pydantic writes for the same event."""

from typing import Any

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from cohost_schemas import envelope, rejections, topics
from cohost_schemas.envelope import Correlation, Envelope
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message, build_message
from messaging.batch import ids
from messaging.batch.encoder import RecordEncoder
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane, LaneProgress
from messaging.processor import OutputRecord, Rejection
from services.broadcast.topology import TOPOLOGY as BROADCAST
from services.invitations.topology import TOPOLOGY as INVITATIONS
from tests.schemas import example_models

PREFIX, CLUSTER, LANE = "cohost.", "cluster", 11
AT = "2026-01-01T12:00:00.123Z"

some_text = st.text(max_size=5) | st.sampled_from(["id-1", '"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\ufeff', "🎤"])
traces = st.none() | st.text(min_size=1, max_size=5)
correlations = st.builds(Correlation, some_text, traces, traces)


def similar_values(value: Any) -> st.SearchStrategy[Any]:
    """Return values of the same type, or None; the fields of a message are varied too."""
    if isinstance(value, Message):
        return st.none() | similar_messages(value)
    if isinstance(value, tuple):
        return st.lists(some_text, max_size=2).map(tuple)
    if isinstance(value, bool):
        return st.booleans()
    return st.none() | (st.integers(-(2**63), 2**63 - 1) if isinstance(value, int) else some_text)


def similar_messages(example: Message) -> st.SearchStrategy[Message]:
    """Return messages of the same type; pydantic writes fields in the order in which they were given."""
    fields = st.fixed_dictionaries({name: similar_values(value) for name, value in example})
    return fields.map(
        lambda varied: build_message(type(example), {name: varied[name] for name, _ in example})
    )


all_events = st.sampled_from(example_models.EVENTS).flatmap(similar_messages)
sequences = st.integers(1, 2**48 - 1)


def parsed_command(command_id: str, correlation: Correlation | None, **values: Any) -> ParsedRecord:
    event = Envelope(command_id, "/test", "cohost.LeaveStage.v1", {})
    record = ConsumerRecord("cohost.invitations.commands", LANE, 7, 0, 0, b"key", b"", None, 3, 0, ())
    return ParsedRecord(record, command_id, event, correlation, **values)


def lane_before(topic: str, sequence: int) -> Lane:
    return Lane(LANE, 1, LaneProgress({}, {topic: sequence - 1}, 0))


def expected_value(  # noqa: PLR0913 - the parts of the event
    data: Message, topic: Topic, *, sequence: int, cause: ParsedRecord, time: str, subject: str
) -> bytes:
    correlation = cause.correlation or Correlation(cause.id)
    trace = correlation._replace(tracestate=correlation.tracestate if correlation.traceparent else None)
    event = envelope.build_cloud_event(
        type(data).__name__,
        None,
        event_id=ids.event_id(CLUSTER, topic.full_name(PREFIX), LANE, sequence),
        source="/cohost/invitations",
        subject=subject,
        time=time,
    )
    del event["data"]
    extensions = {
        "correlationid": correlation.correlationid,
        "causationid": cause.id,
        "sequence": f"{sequence:020d}",
        **{name: text for name, text in trace.attributes().items() if name.startswith("trace")},
    }
    data_json = data.__pydantic_serializer__.to_json(data, by_alias=True, warnings=False)
    return envelope.encode_event(event | extensions)[:-1] + b',"data":' + data_json + b"}"


@given(all_events, some_text, some_text, st.none() | correlations, sequences)
def test_an_event_is_written_as_pydantic_writes_it(
    data: Message, subject: str, cause_id: str, correlation: Correlation | None, sequence: int
) -> None:
    topic = topics.INVITATION_EVENTS
    cause = parsed_command(cause_id, correlation)
    record = RecordEncoder(INVITATIONS, PREFIX, CLUSTER).encode_output(
        lane_before(topic.suffix, sequence), cause, AT, OutputRecord(topic, subject, data)
    )
    assert record.value == expected_value(
        data, topic, sequence=sequence, cause=cause, time=AT, subject=subject
    )
    assert (record.topic, record.sequence, record.key) == (topic.suffix, sequence, subject.encode())
    assert record.headers == [
        ("content-type", envelope.CONTENT_TYPE),
        ("sequence", b"%d" % sequence),
    ]


@given(
    st.none() | similar_messages(example_models.SENT_INVITATION),
    st.sampled_from(rejections.REJECTION_REASONS),
    st.tuples(*[st.none() | some_text] * 3),
    st.none() | some_text,
    some_text,
    st.none() | correlations,
)
def test_a_rejection_is_written_as_pydantic_writes_it(  # noqa: PLR0913, PLR0917 - the parts of a rejection
    current: Message | None,
    reason: rejections.RejectionReason,
    summary: tuple[str | None, str | None, str | None],
    retry_at: str | None,
    cause_id: str,
    correlation: Correlation | None,
) -> None:
    topic = topics.INVITATION_REJECTIONS
    cause = parsed_command(cause_id, correlation, subject="room-1", detail=retry_at)
    record = RecordEncoder(INVITATIONS, PREFIX, CLUSTER).encode_rejection(
        lane_before(topic.suffix, 7), cause, AT, Rejection(reason, current, retry_at), summary
    )
    data = build_message(
        rejections.CommandRejected,
        {
            "command_id": cause_id,
            "command_type": "cohost.LeaveStage.v1",
            "reason": reason,
            "message": retry_at or rejections.REJECTION_MESSAGES[reason],
            **dict(zip(rejections.SUMMARY_FIELDS, summary, strict=True)),
            "current": current,
            "retry_at": retry_at,
        },
    )
    assert record.value == expected_value(data, topic, sequence=7, cause=cause, time=AT, subject="room-1")


def test_the_summary_fields_stand_where_the_encoder_expects_them() -> None:
    names = list(rejections.CommandRejected.model_fields)
    after = names.index("message") + 1
    for topology in (INVITATIONS, BROADCAST):
        assert tuple(names[after : after + len(topology.summary_fields)]) == topology.summary_fields
    assert names[after + 3 :] == ["current", "retry_at"]
