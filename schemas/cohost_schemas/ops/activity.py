"""HTTP bodies of the gateway for ops, read from the log: activity, refusals, a room's history."""

from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from cohost_schemas.types import Count, Message, Timestamp

AlarmKind = Literal["grant_failed", "intruder_removed", "dead_letter"]


class LogRecord(Message):
    """A record of a topic, which is named without its prefix; `at` is the record's time on the broker.

    `event` is the CloudEvent as it is on the topic, null for a tombstone and for what is none.
    """

    topic: str
    partition: Count
    offset: Count
    at: Timestamp
    key: str | None = None
    event: dict[str, Any] | None = None


class ActivitySample(Message):
    """Records of the five seconds from `at` on: outcomes of commands, dead letters, and events."""

    at: Timestamp
    accepted: Count
    rejected: Count
    dead_letters: Count
    events: Count


class RefusalCount(Message):
    """The number of commands refused with a reason."""

    reason: str
    count: Count


class Alarm(Message):
    """Something that somebody should look at: a grant that failed for good, an intruder, a dead letter."""

    kind: AlarmKind
    at: Timestamp
    room_id: str | None = None
    user_id: str | None = None
    detail: str | None = None


class Activity(Message):
    """The log's last 15 minutes, as far as this copy of the gateway has read them since `since`.

    `since` is null until the copy has reached Kafka. `unreadable` names the topics, without their prefix,
    that the copy may not read.
    """

    since: Timestamp | None = None
    commands_per_second: float = Field(ge=0, description="The mean of the last ten seconds.")
    samples: Annotated[tuple[ActivitySample, ...], Strict(strict=False)]
    refusals: Annotated[tuple[RefusalCount, ...], Strict(strict=False)]
    alarms: Annotated[tuple[Alarm, ...], Strict(strict=False)]
    newest: Annotated[tuple[LogRecord, ...], Strict(strict=False)]
    unreadable: Annotated[tuple[str, ...], Strict(strict=False)]


class Refusals(Message):
    """The newest refusals that a copy of the gateway has read, each a `CommandRejected`, newest first."""

    items: Annotated[tuple[LogRecord, ...], Strict(strict=False)]
    unreadable: Annotated[tuple[str, ...], Strict(strict=False)]


class RoomHistory(Message):
    """A part of a room's records, oldest first; `before` continues into the past, null at the beginning.

    `isComplete` is false if the bounds of a request ended the part early.
    """

    room_id: str
    items: Annotated[tuple[LogRecord, ...], Strict(strict=False)]
    before: str | None = None
    is_complete: bool
    unreadable: Annotated[tuple[str, ...], Strict(strict=False)]
