"""Alarms: grants that failed for good, intruders, dead letters."""

from typing import Any, NamedTuple

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, timestamps, topics
from cohost_schemas.envelope import Envelope, is_storable
from cohost_schemas.ops.activity import Alarm, AlarmKind
from cohost_schemas.types import is_stored_id


class RaisedAlarm(NamedTuple):
    """An alarm, and the time of its record in milliseconds since the epoch."""

    timestamp: int
    alarm: Alarm


def alarm_of_event(record: Any, event: Envelope) -> RaisedAlarm | None:
    """Return the alarm that an event on `broadcast.events` is, None if it is none."""
    name, data = envelope.model_name(event.type), event.data
    if not isinstance(data, dict):
        return None
    if name == "GrantFailed" and data.get("retryable") is False:
        return _raise(record, "grant_failed", event.subject, data.get("userId"), data.get("error"))
    if name == "IntruderRemoved":
        return _raise(record, "intruder_removed", event.subject, data.get("userId"), data.get("action"))
    return None


def alarm_of_dead_letter(connection: KafkaConnection, record: Any) -> RaisedAlarm:
    """Return the alarm that a dead letter is; its key names a room, or on `users` a user."""
    headers = dict(record.headers)
    original = connection.topic_suffix(_text(headers.get("dead-letter-topic")))
    key = _text(record.key)
    named = key if is_stored_id(key) else None
    is_user = original == topics.USERS.suffix
    detail = f"{_text(headers.get('dead-letter-reason'))} on {original}"
    return _raise(record, "dead_letter", None if is_user else named, named if is_user else None, detail)


def _raise(record: Any, kind: AlarmKind, room_id: Any, user_id: Any, detail: Any) -> RaisedAlarm:
    alarm = Alarm(
        kind=kind,
        at=timestamps.from_ms(record.timestamp),
        room_id=_text_or_none(room_id),
        user_id=_text_or_none(user_id),
        detail=_text_or_none(detail),
    )
    return RaisedAlarm(record.timestamp, alarm)


def _text_or_none(value: Any) -> str | None:
    # What is in an event was written by whoever may write to the topic.
    return value if isinstance(value, str) and is_storable(value) else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
