"""The topology of each service: the topics that it reads and writes by the contract."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from schemas import commands, events, facts, signals, topics
from schemas.envelope import Headers
from schemas.topics import Topic
from schemas.types import Message

Kind = Literal["facts", "events", "commands"]


class Record(NamedTuple):
    """A committed record. aiokafka's records work too: only these fields are used."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets of a partition: the first in the log, and the next to be written."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a service reads; `key_field` is the data field that must equal subject and key."""

    topic: Topic
    kind: Kind
    models: tuple[type[Message], ...]
    key_field: str = "room_id"


@dataclass(frozen=True, slots=True)
class Service:
    """The topics of a service. Only records on `events` or `rejections` are outcomes of commands."""

    inputs: tuple[Input, ...]
    events: Topic
    rejections: Topic
    dead_letters: Topic
    badges: Topic | None = None

    @property
    def outputs(self) -> tuple[Topic, ...]:
        """Return all topics that the service writes in its transactions."""
        badges = () if self.badges is None else (self.badges,)
        return (self.events, self.rejections, self.dead_letters, *badges)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A service under a topic prefix; all properties use full topic names."""

    service: Service
    prefix: str
    partitions: int

    @property
    def inputs(self) -> dict[str, Input]:
        """Return the input topics by full name."""
        return {entry.topic.name(self.prefix): entry for entry in self.service.inputs}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the full names of the output topics."""
        return tuple(topic.name(self.prefix) for topic in self.service.outputs)

    @property
    def commands(self) -> str:
        """Return the name of the commands topic."""
        return next(name for name, entry in self.inputs.items() if entry.kind == "commands")

    @property
    def rejections(self) -> str:
        """Return the name of the rejections topic."""
        return self.service.rejections.name(self.prefix)

    @property
    def dead_letters(self) -> str:
        """Return the name of the dead letters topic."""
        return self.service.dead_letters.name(self.prefix)

    @property
    def badges(self) -> str | None:
        """Return the name of the badges topic, None if the service has none."""
        return None if self.service.badges is None else self.service.badges.name(self.prefix)


SERVICES: tuple[Service, ...] = (
    Service(
        (
            Input(topics.ROOMS, "facts", facts.ROOMS),
            Input(topics.USERS, "facts", facts.USERS, key_field="user_id"),
            Input(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
        ),
        topics.INVITATION_EVENTS,
        topics.INVITATION_REJECTIONS,
        topics.INVITATION_DEAD_LETTERS,
    ),
    Service(
        (
            Input(topics.INVITATION_EVENTS, "events", events.INVITATIONS),
            Input(topics.BROADCAST_SIGNALS, "events", signals.ALL),
            Input(topics.BROADCAST_COMMANDS, "commands", commands.BROADCAST),
        ),
        topics.BROADCAST_EVENTS,
        topics.BROADCAST_REJECTIONS,
        topics.BROADCAST_DEAD_LETTERS,
        topics.BADGES,
    ),
)

COMMANDS_ONLY: frozenset[str] = frozenset(
    f"cohost.{name}.v1"
    for name in (
        "InvitationSent",
        "InvitationAccepted",
        "InvitationDeclined",
        "CoHostMuted",
        "CoHostUnmuteRequested",
    )
)
"""Event types that only a command can cause."""
