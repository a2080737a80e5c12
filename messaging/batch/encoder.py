"""Encode the records that a service publishes: events, rejections, dead letters, each with its sequence."""

from functools import lru_cache
from typing import NamedTuple

from pydantic_core import to_json

from cohost.kafka.record_batches import OversizedRecord
from cohost_schemas import envelope, timestamps
from cohost_schemas.envelope import Correlation
from cohost_schemas.rejections import REJECTION_MESSAGES, CommandRejected
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message, build_message, is_id
from messaging.batch import ids
from messaging.inputs import parsing
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord
from messaging.outbox.transactions import MAX_MESSAGE_BYTES
from messaging.processor import OutputRecord, Rejection, Topology

_CONTENT_TYPE = ("content-type", envelope.CONTENT_TYPE)
_BATCH_OVERHEAD_BYTES = 4096
_TRUNCATED_HEADER = "dead-letter-truncated"


class RecordEncoder:
    """Encodes the output records of one service; each takes the next sequence of its lane and output.

    `dead_letter_bytes` is the largest batch, in bytes, that the dead-letter topic accepts.
    """

    def __init__(
        self, topology: Topology, prefix: str, cluster_id: str, dead_letter_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self._source = topology.source
        self._id_prefixes = {
            topic.suffix: ids.id_prefix(cluster_id, topic.full_name(prefix)) for topic in topology.outputs
        }
        self._rejection_topic = topology.rejections
        self._dead_letter_topic = topology.dead_letters
        self._summary_fields = topology.summary_fields
        self._max_record_bytes = min(dead_letter_bytes, MAX_MESSAGE_BYTES) - _BATCH_OVERHEAD_BYTES

    def encode_output(
        self, lane: Lane, cause: ParsedRecord, timestamp: str, record: OutputRecord
    ) -> EncodedRecord:
        """Return the encoded record: a CloudEvent, or a tombstone if there is no data."""
        position = self._take_sequence(lane, record.topic)
        if record.on_sequence is not None:
            record.on_sequence(position.sequence)
        key = (record.key or record.subject).encode()
        if record.data is None:
            return EncodedRecord(position.topic, position.sequence, key, None, [_sequence_header(position)])
        value = self._encode_cloud_event(
            position, cause, timestamp, record.subject, record.data, correlation=record.correlation
        )
        return EncodedRecord(
            position.topic, position.sequence, key, value, [_CONTENT_TYPE, _sequence_header(position)]
        )

    def encode_rejection(
        self,
        lane: Lane,
        cause: ParsedRecord,
        timestamp: str,
        rejection: Rejection,
        summary: tuple[str | None, ...],
    ) -> EncodedRecord:
        """Return an encoded `CommandRejected`; `summary` has the values of the topology's summary fields."""
        position = self._take_sequence(lane, self._rejection_topic)
        data = build_message(
            CommandRejected,
            {
                "command_id": cause.id,
                "command_type": command_type(cause),
                "reason": rejection.reason,
                "message": cause.detail or REJECTION_MESSAGES[rejection.reason],
                **dict(zip(self._summary_fields, summary, strict=True)),
                "current": rejection.current,
                "retry_at": rejection.retry_at,
            },
        )
        value = self._encode_cloud_event(position, cause, timestamp, cause.subject or "-", data)
        key = parsing.key_within_limit(cause.raw_record)
        return EncodedRecord(
            position.topic, position.sequence, key, value, [_CONTENT_TYPE, _sequence_header(position)]
        )

    def encode_dead_letter(self, lane: Lane, parsed: ParsedRecord) -> EncodedRecord:
        """Return the record unchanged, with headers that give its origin and the reason.

        A record that is too large for the topic loses its value and, if necessary, its key and headers. A
        record of a batch that was not unpacked has none of them.
        """
        position = self._take_sequence(lane, self._dead_letter_topic)
        record = parsed.raw_record
        origin_headers = [
            ("dead-letter-reason", (parsed.dead_letter_reason or "").encode()),
            ("dead-letter-topic", record.topic.encode()),
            ("x-original-topic", record.topic.encode()),
            ("dead-letter-partition", b"%d" % record.partition),
            ("dead-letter-offset", b"%d" % record.offset),
            ("dead-letter-time", timestamps.from_ms(record.timestamp).encode()),
            _sequence_header(position),
        ]
        if isinstance(record, OversizedRecord):
            origin_headers.append((_TRUNCATED_HEADER, b"%d" % record.batch_bytes))
            return EncodedRecord(position.topic, position.sequence, None, b"", origin_headers)
        dead_letter = EncodedRecord(
            position.topic, position.sequence, record.key, record.value, [*record.headers, *origin_headers]
        )
        if dead_letter.estimated_size() <= self._max_record_bytes:
            return dead_letter
        origin_headers.append((_TRUNCATED_HEADER, b"%d" % len(record.value or b"")))
        dead_letter = EncodedRecord(
            position.topic, position.sequence, record.key, b"", [*record.headers, *origin_headers]
        )
        if dead_letter.estimated_size() <= self._max_record_bytes:
            return dead_letter
        return EncodedRecord(position.topic, position.sequence, None, b"", origin_headers)

    def _take_sequence(self, lane: Lane, topic: Topic) -> "_OutputPosition":
        return _OutputPosition(lane.number, topic.suffix, lane.next_sequence(topic.suffix))

    def _encode_cloud_event(  # noqa: PLR0913 - the parts of the event
        self,
        position: "_OutputPosition",
        cause: ParsedRecord,
        timestamp: str,
        subject: str,
        data: Message,
        *,
        correlation: Correlation | None = None,
    ) -> bytes:
        """Return the CloudEvent's JSON. It is assembled from parts, since most of them need no escaping."""
        lane, topic, sequence = position
        cause_id = _json_string(cause.id)
        correlation = correlation or cause.correlation
        correlation_id = _json_string(correlation.correlationid) if correlation is not None else cause_id
        attributes = (
            f'{{"specversion":"1.0","id":"{ids.event_id(self._id_prefixes[topic], lane, sequence)}"'
            f',"source":"{self._source}","type":"{_event_type(type(data))}","subject":{_json_string(subject)},"time":"{timestamp}"'
            f',"datacontenttype":"application/json","correlationid":{correlation_id},"causationid":{cause_id}'
            f',"sequence":"{sequence:020d}"{_trace_attributes(correlation)},"data":'
        )
        return b"%s%s}" % (attributes.encode(), data.__pydantic_serializer__.to_json(data, by_alias=True))


class _OutputPosition(NamedTuple):
    """A record's lane, topic (without the prefix) and sequence."""

    lane: int
    topic: str
    sequence: int


@lru_cache(maxsize=64)
def _event_type(model: type[Message]) -> str:
    return envelope.wire_type(model.__name__)


def _json_string(text: str) -> str:
    """Return the text as a JSON string."""
    return f'"{text}"' if is_id(text) else to_json(text).decode()


def _trace_attributes(correlation: Correlation | None) -> str:
    if correlation is None or correlation.traceparent is None:
        return ""
    state = correlation.tracestate
    return f',"traceparent":{_json_string(correlation.traceparent)}' + (
        "" if state is None else f',"tracestate":{_json_string(state)}'
    )


def command_type(cause: ParsedRecord) -> str:
    """Return the command's type, cut to the length that output records may carry."""
    return cause.envelope.type[: envelope.MAX_ECHO_LENGTH] if cause.envelope is not None else ""


def _sequence_header(position: _OutputPosition) -> tuple[str, bytes]:
    return ("sequence", b"%d" % position.sequence)
