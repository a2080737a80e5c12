"""The records that a service publishes: events, rejections and dead letters, each with its sequence."""

from messaging import ids, intake
from messaging.domain import Event, Layout, Refusal
from messaging.intake import Reading
from messaging.lanes import Lane
from messaging.segments import Record
from messaging.transactions import MAX_RECORD
from schemas import envelope, timestamps
from schemas.rejections import MESSAGES, CommandRejected
from schemas.topics import Topic

_CONTENT_TYPE = ("content-type", envelope.CONTENT_TYPE)
_REJECTED = envelope.type_of(CommandRejected.__name__)
_JSON = "application/json"


class Records:
    """Makes the records of one service; each takes the next sequence of its lane's output."""

    def __init__(self, layout: Layout, prefix: str, cluster: str) -> None:
        self._source = layout.source
        self._outputs = {topic: index for index, topic in enumerate(layout.outputs)}
        self._origins = [ids.origin(cluster, topic.name(prefix)) for topic in layout.outputs]
        self._rejections = layout.rejections
        self._dead_letters = layout.dead_letters

    def event(self, lane: Lane, cause: Reading, at: str, event: Event) -> Record:
        """Return the record of an event or, where it has no data, a tombstone."""
        output, sequence = self._next(lane, event.topic)
        key = (event.key or event.subject).encode()
        if event.data is None:
            return Record(output, sequence, key, None, [_sequence(sequence)])
        type_ = envelope.type_of(type(event.data).__name__)
        attributes = self._attributes(lane, output, sequence, cause, at)
        value = envelope.encode({**attributes, "type": type_, "subject": event.subject, "data": event.data})
        return Record(output, sequence, key, value, [_CONTENT_TYPE, _sequence(sequence)])

    def rejection(self, lane: Lane, cause: Reading, refusal: Refusal) -> Record:
        """Return the record that refuses a command."""
        output, sequence = self._next(lane, self._rejections)
        event = cause.envelope
        data = CommandRejected.model_construct(
            command_id=cause.id,
            command_type=command_type(cause),
            reason=refusal.reason,
            message=cause.detail or MESSAGES[refusal.reason],
            room_id=intake.sound_id(event, "roomId"),
            invitation_id=intake.sound_id(event, "invitationId"),
            actor_id=intake.sound_id(event, "actorId"),
            current=refusal.current,
        )
        at = timestamps.from_ms(cause.record.timestamp)
        attributes = self._attributes(lane, output, sequence, cause, at)
        subject = cause.subject or "-"
        value = envelope.encode({**attributes, "type": _REJECTED, "subject": subject, "data": data})
        key = intake.kept_key(cause.record)
        return Record(output, sequence, key, value, [_CONTENT_TYPE, _sequence(sequence)])

    def dead_letter(self, lane: Lane, reading: Reading) -> Record:
        """Return the record as it was, with headers that say where it lay and why it is here."""
        output, sequence = self._next(lane, self._dead_letters)
        record = reading.record
        marks = [
            ("dead-letter-reason", (reading.dead or "").encode()),
            ("dead-letter-topic", record.topic.encode()),
            ("dead-letter-partition", b"%d" % record.partition),
            ("dead-letter-offset", b"%d" % record.offset),
            ("dead-letter-time", timestamps.from_ms(record.timestamp).encode()),
            _sequence(sequence),
        ]
        letter = Record(output, sequence, record.key, record.value, [*record.headers, *marks])
        if letter.size() <= MAX_RECORD:
            return letter
        marks.append(("dead-letter-truncated", b"%d" % len(record.value or b"")))
        letter = Record(output, sequence, record.key, b"", [*record.headers, *marks])
        if letter.size() <= MAX_RECORD:
            return letter
        return Record(output, sequence, None, b"", marks)

    def _next(self, lane: Lane, topic: Topic) -> tuple[int, int]:
        output = self._outputs[topic]
        lane.decided[output] += 1
        return output, lane.decided[output]

    def _attributes(
        self, lane: Lane, output: int, sequence: int, cause: Reading, at: str
    ) -> dict[str, object]:
        event = cause.envelope
        attributes: dict[str, object] = {
            "specversion": "1.0",
            "id": ids.event(self._origins[output], lane.number, sequence),
            "source": self._source,
            "type": "",
            "subject": "",
            "time": at,
            "datacontenttype": _JSON,
            "correlationid": (event and intake.echoed(event.correlationid)) or cause.id,
            "causationid": cause.id,
            "sequence": f"{sequence:020d}",
        }
        parent, state = intake.trace(event)
        if parent is not None:
            attributes["traceparent"] = parent
            if state is not None:
                attributes["tracestate"] = state
        return attributes


def command_type(cause: Reading) -> str:
    """Return a command's type as it may be repeated in answers."""
    return cause.envelope.type[: envelope.MAX_ECHO] if cause.envelope is not None else ""


def _sequence(sequence: int) -> tuple[str, bytes]:
    return ("sequence", b"%d" % sequence)
