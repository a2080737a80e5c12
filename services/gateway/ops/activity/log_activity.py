"""The activity in the log's last 15 minutes: counts, refusals, alarms, the newest records."""

import time
from typing import Any

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, topics
from cohost_schemas.envelope import Envelope, NotACloudEvent
from services.gateway.ops.activity import alarms, outcomes
from services.gateway.ops.activity.alarms import RaisedAlarm
from services.gateway.ops.activity.newest import Newest
from services.gateway.ops.activity.samples import SampleCounts

REASON_PREFIX = "reason "
"""Before the reason, in the name by which a refusal is counted."""

_MAX_NEWEST = 50
MAX_REFUSALS = 200
_MAX_ALARMS = 100


class LogActivity:
    """Counts each record of the topics of outcomes once, in bounded memory.

    It has two sources: the reader of the streams for events, and a reader of its own for rejections and dead
    letters. Where the log loses the place of the first, counting begins again.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self._invitation_events = connection.topic_name(topics.INVITATION_EVENTS)
        self._broadcast_events = connection.topic_name(topics.BROADCAST_EVENTS)
        self.unreadable: tuple[str, ...] = ()
        """The topics, without the prefix, that the broker's ACLs forbid."""
        self._has_events = self._has_rejections = False
        self._outcomes = outcomes.InvitationOutcomes()
        self._begin()

    def _begin(self) -> None:
        self._since = time.time()
        self.samples = SampleCounts(self._since)
        self.newest = Newest[Any](_MAX_NEWEST)
        self.refusals = Newest[Any](MAX_REFUSALS)
        self.alarms = Newest[RaisedAlarm](_MAX_ALARMS)

    @property
    def since(self) -> float | None:
        """The time from which on everything is counted, None before the readers have begun."""
        return self._since if self._has_events and self._has_rejections else None

    def begin_events(self) -> None:
        """Count from here on, at the place in the log from which on events will be added."""
        self._has_events = True
        self._outcomes = outcomes.InvitationOutcomes()
        self._begin()

    def begin_rejections(self) -> None:
        """Count from here on, at the place from which on rejections and dead letters will be added."""
        self._has_rejections = True
        self._begin()

    def add_event(self, record: Any, event: Envelope) -> None:
        """Count an event of a service; other topics' are ignored."""
        if record.topic == self._invitation_events:
            is_outcome = self._outcomes.is_first_of_command(record.partition, event)
        elif record.topic == self._broadcast_events:
            is_outcome = outcomes.is_outcome_of_broadcast(event)
            if (alarm := alarms.alarm_of_event(record, event)) is not None:
                self.alarms.add_item(alarm)
        else:
            return
        self._count(record, "events", *(("accepted",) if is_outcome else ()), is_command=is_outcome)
        self.newest.add_item(record)

    def add_rejection(self, record: Any) -> None:
        """Count a `CommandRejected`."""
        self._count(record, "rejected", REASON_PREFIX + reason_of(record), is_command=True)
        self.newest.add_item(record)
        self.refusals.add_item(record)

    def add_dead_letter(self, record: Any) -> None:
        """Count a dead letter."""
        self._count(record, "deadLetters")
        self.alarms.add_item(alarms.alarm_of_dead_letter(self.connection, record))

    def _count(self, record: Any, *names: str, is_command: bool = False) -> None:
        at, now = record.timestamp / 1000, time.time()
        self.samples.count(at, now, *names)
        if is_command:
            self.samples.count_command(at, now)


def reason_of(record: Any) -> str:
    """Return the reason of a `CommandRejected`, empty if the record is none."""
    try:
        data = envelope.decode_event(record.value, record.headers).data
    except NotACloudEvent:
        return ""
    reason = data.get("reason") if isinstance(data, dict) else None
    return reason if isinstance(reason, str) and envelope.is_storable(reason) else ""
