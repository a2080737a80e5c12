"""Encode the records that a service publishes: events, rejections, dead letters, each with its sequence."""

from msgspec import UNSET

from cohost.kafka.record_batches import OversizedRecord
from cohost_schemas import envelope, timestamps
from cohost_schemas.envelope import Correlation
from cohost_schemas.rejections import REJECTION_MESSAGES, CommandRejected
from messaging.batch import event_json, ids
from messaging.batch.event_json import CloudEvent, EventData, event_data
from messaging.inputs import parsing
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord
from messaging.outbox.transactions import MAX_MESSAGE_BYTES
from messaging.processor import OutputRecord, Rejection, Topology

_BATCH_OVERHEAD_BYTES = 4096
_TRUNCATED_HEADER = "dead-letter-truncated"
_RejectionData = event_json.data_type(CommandRejected)


class RecordEncoder:
    """Encodes the output records of one service; each takes the next sequence of its lane and output.

    `dead_letter_bytes` is the largest batch, in bytes, that the dead-letter topic accepts.
    """

    def __init__(
        self, topology: Topology, prefix: str, cluster_id: str, dead_letter_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self._source = topology.source
        self._cluster_id = cluster_id
        self._topic_names = {topic.suffix: topic.full_name(prefix) for topic in topology.outputs}
        self._rejection_topic = topology.rejections
        self._dead_letter_topic = topology.dead_letters
        self._max_record_bytes = min(dead_letter_bytes, MAX_MESSAGE_BYTES) - _BATCH_OVERHEAD_BYTES

    def encode_output(
        self, lane: Lane, cause: ParsedRecord, timestamp: str, record: OutputRecord
    ) -> EncodedRecord:
        """Return the encoded record: a CloudEvent, or a tombstone if there is no data."""
        topic = record.topic.suffix
        sequence = lane.next_sequence(topic)
        if record.on_sequence is not None:
            record.on_sequence(sequence)
        key = (record.key or record.subject).encode()
        if record.data is None:
            return EncodedRecord(topic, sequence, key, None, [_sequence_header(sequence)])
        correlation = record.correlation or cause.correlation
        value = self._encode_event(
            lane, topic, sequence, cause.id, correlation, timestamp, record.subject, event_data(record.data)
        )
        return EncodedRecord(topic, sequence, key, value)

    def encode_rejection(
        self,
        lane: Lane,
        cause: ParsedRecord,
        timestamp: str,
        rejection: Rejection,
        summary: tuple[str | None, ...],
    ) -> EncodedRecord:
        """Return an encoded `CommandRejected`; `summary` has the values of the topology's summary fields."""
        topic = self._rejection_topic.suffix
        sequence = lane.next_sequence(topic)
        data = _RejectionData(
            cause.id,
            command_type(cause),
            rejection.reason,
            cause.detail or REJECTION_MESSAGES[rejection.reason],
            *summary,
            rejection.current,
            rejection.retry_at,
        )
        value = self._encode_event(
            lane, topic, sequence, cause.id, cause.correlation, timestamp, cause.subject or "-", data
        )
        key = parsing.key_within_limit(cause.raw_record)
        return EncodedRecord(topic, sequence, key, value)

    def encode_dead_letter(self, lane: Lane, parsed: ParsedRecord) -> EncodedRecord:
        """Return the record unchanged, with headers that give its origin and the reason.

        A record that is too large for the topic loses its value and, if necessary, its key and headers. A
        record of a batch that was not unpacked has none of them.
        """
        topic = self._dead_letter_topic.suffix
        sequence = lane.next_sequence(topic)
        record = parsed.raw_record
        origin_headers = [
            ("dead-letter-reason", (parsed.dead_letter_reason or "").encode()),
            ("dead-letter-topic", record.topic.encode()),
            ("x-original-topic", record.topic.encode()),
            ("dead-letter-partition", b"%d" % record.partition),
            ("dead-letter-offset", b"%d" % record.offset),
            ("dead-letter-time", timestamps.from_ms(record.timestamp).encode()),
            _sequence_header(sequence),
        ]
        if isinstance(record, OversizedRecord):
            origin_headers.append((_TRUNCATED_HEADER, b"%d" % record.batch_bytes))
            return EncodedRecord(topic, sequence, None, b"", origin_headers)
        dead_letter = EncodedRecord(
            topic, sequence, record.key, record.value, [*record.headers, *origin_headers]
        )
        if dead_letter.estimated_size() <= self._max_record_bytes:
            return dead_letter
        origin_headers.append((_TRUNCATED_HEADER, b"%d" % len(record.value or b"")))
        dead_letter = EncodedRecord(topic, sequence, record.key, b"", [*record.headers, *origin_headers])
        if dead_letter.estimated_size() <= self._max_record_bytes:
            return dead_letter
        return EncodedRecord(topic, sequence, None, b"", origin_headers)

    def _encode_event(  # noqa: PLR0913, PLR0917 - the parts of the event
        self,
        lane: Lane,
        topic: str,
        sequence: int,
        cause_id: str,
        correlation: Correlation | None,
        timestamp: str,
        subject: str,
        data: EventData,
    ) -> bytes:
        correlation_id, traceparent, tracestate = correlation or (cause_id, None, None)
        return event_json.encode(
            CloudEvent(
                "1.0",
                ids.event_id(self._cluster_id, self._topic_names[topic], lane.number, sequence),
                self._source,
                data.wire_type,
                subject,
                timestamp,
                "application/json",
                correlation_id,
                cause_id,
                str(sequence).zfill(20),
                traceparent or UNSET,
                (traceparent and tracestate) or UNSET,
                data,
            )
        )


def command_type(cause: ParsedRecord) -> str:
    """Return the command's type, cut to the length that output records may carry."""
    return cause.envelope.type[: envelope.MAX_ECHO_LENGTH] if cause.envelope is not None else ""


def _sequence_header(sequence: int) -> tuple[str, bytes]:
    return ("sequence", b"%d" % sequence)
