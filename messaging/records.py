"""Encode the records that a service publishes: events, rejections, dead letters, each with its sequence."""

from functools import lru_cache
from typing import NamedTuple

from pydantic_core import to_json

from messaging import ids, intake
from messaging.domain import Event, Layout, Refusal
from messaging.intake import Reading
from messaging.lanes import Lane
from messaging.segments import Record
from messaging.transactions import LARGEST_BATCH
from schemas import envelope, timestamps
from schemas.envelope import Envelope
from schemas.rejections import MESSAGES, CommandRejected
from schemas.topics import Topic
from schemas.types import Message, build, is_id

_CONTENT_TYPE = ("content-type", envelope.CONTENT_TYPE)
_BATCH_HEADER = 4096


class Records:
    """Encodes the output records of one service; each takes the next sequence of its lane and output.

    `dead_letter_bytes` is the largest batch, in bytes, that the dead-letter topic accepts.
    """

    def __init__(
        self, layout: Layout, prefix: str, cluster: str, dead_letter_bytes: int = LARGEST_BATCH
    ) -> None:
        self._source = layout.source
        self._outputs = {topic: index for index, topic in enumerate(layout.outputs)}
        self._origins = [ids.origin(cluster, topic.name(prefix)) for topic in layout.outputs]
        self._rejections = layout.rejections
        self._dead_letters = layout.dead_letters
        self._largest = min(dead_letter_bytes, LARGEST_BATCH) - _BATCH_HEADER

    def event(self, lane: Lane, cause: Reading, at: str, event: Event) -> Record:
        """Return the encoded record: a CloudEvent, or a tombstone if there is no data."""
        place = self._next(lane, event.topic)
        key = (event.key or event.subject).encode()
        if event.data is None:
            return Record(place.output, place.sequence, key, None, [_sequence(place)])
        value = self._value(place, cause, at, event.subject, event.data)
        return Record(place.output, place.sequence, key, value, [_CONTENT_TYPE, _sequence(place)])

    def rejection(
        self,
        lane: Lane,
        cause: Reading,
        refusal: Refusal,
        names: tuple[str | None, str | None, str | None],
    ) -> Record:
        """Return an encoded `CommandRejected`; `mentioned_ids` has the room, invitation and actor id."""
        place = self._next(lane, self._rejections)
        room_id, invitation_id, actor_id = names
        data = build(
            CommandRejected,
            {
                "command_id": cause.id,
                "command_type": command_type(cause),
                "reason": refusal.reason,
                "message": cause.detail or MESSAGES[refusal.reason],
                "room_id": room_id,
                "invitation_id": invitation_id,
                "actor_id": actor_id,
                "current": refusal.current,
            },
        )
        at = timestamps.from_ms(cause.record.timestamp)
        value = self._value(place, cause, at, cause.subject or "-", data)
        key = intake.kept_key(cause.record)
        return Record(place.output, place.sequence, key, value, [_CONTENT_TYPE, _sequence(place)])

    def dead_letter(self, lane: Lane, reading: Reading) -> Record:
        """Return the record unchanged, with headers that give its origin and the reason.

        A record that is too large for the topic loses its value and, if necessary, its key and headers.
        """
        place = self._next(lane, self._dead_letters)
        record = reading.record
        marks = [
            ("dead-letter-reason", (reading.dead or "").encode()),
            ("dead-letter-topic", record.topic.encode()),
            ("dead-letter-partition", b"%d" % record.partition),
            ("dead-letter-offset", b"%d" % record.offset),
            ("dead-letter-time", timestamps.from_ms(record.timestamp).encode()),
            _sequence(place),
        ]
        letter = Record(place.output, place.sequence, record.key, record.value, [*record.headers, *marks])
        if letter.size() <= self._largest:
            return letter
        marks.append(("dead-letter-truncated", b"%d" % len(record.value or b"")))
        letter = Record(place.output, place.sequence, record.key, b"", [*record.headers, *marks])
        if letter.size() <= self._largest:
            return letter
        return Record(place.output, place.sequence, None, b"", marks)

    def _next(self, lane: Lane, topic: Topic) -> "_Place":
        output = self._outputs[topic]
        lane.decided[output] += 1
        return _Place(lane.number, output, lane.decided[output])

    def _value(self, place: "_Place", cause: Reading, at: str, subject: str, data: Message) -> bytes:
        """Return the CloudEvent's JSON. It is assembled from parts, since most of them need no escaping."""
        lane, output, sequence = place
        event = cause.envelope
        cause_id = _text(cause.id)
        correlation = intake.echoed(event.correlationid) if event is not None else None
        correlation_id = _text(correlation) if correlation else cause_id
        head = (
            f'{{"specversion":"1.0","id":"{ids.event(self._origins[output], lane, sequence)}"'
            f',"source":"{self._source}","type":"{_type(type(data))}","subject":{_text(subject)},"time":"{at}"'
            f',"datacontenttype":"application/json","correlationid":{correlation_id},"causationid":{cause_id}'
            f',"sequence":"{sequence:020d}"{_trace(event)},"data":'
        )
        return b"%s%s}" % (head.encode(), data.__pydantic_serializer__.to_json(data, by_alias=True))


class _Place(NamedTuple):
    """A record's lane, output and sequence."""

    lane: int
    output: int
    sequence: int


@lru_cache(maxsize=64)
def _type(model: type[Message]) -> str:
    return envelope.type_of(model.__name__)


def _text(text: str) -> str:
    """Return the text as a JSON string."""
    return f'"{text}"' if is_id(text) else to_json(text).decode()


def _trace(event: Envelope | None) -> str:
    parent, state = intake.trace(event)
    if parent is None:
        return ""
    return f',"traceparent":{_text(parent)}' + ("" if state is None else f',"tracestate":{_text(state)}')


def command_type(cause: Reading) -> str:
    """Return the command's type, cut to the length that output records may carry."""
    return cause.envelope.type[: envelope.MAX_ECHO] if cause.envelope is not None else ""


def _sequence(place: _Place) -> tuple[str, bytes]:
    return ("sequence", b"%d" % place.sequence)
