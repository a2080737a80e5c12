"""Which topics each service reads and writes, as the contract has it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from schemas import commands, events, facts, signals, topics
from schemas.envelope import Headers
from schemas.topics import Topic
from schemas.types import Message

Kind = Literal["facts", "events", "commands"]


class Record(NamedTuple):
    """A committed record. aiokafka's own are taken as well: only these fields are looked at."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where a partition reaches."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a service reads; `key_field` is the field of the data that equals subject and key."""

    topic: Topic
    kind: Kind
    models: tuple[type[Message], ...]
    key_field: str = "room_id"


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its topics. Only what lies on `events` or `rejections` is an outcome of a command."""

    inputs: tuple[Input, ...]
    events: Topic
    rejections: Topic
    dead_letters: Topic
    badges: Topic | None = None

    @property
    def outputs(self) -> tuple[Topic, ...]:
        """All topics that the service writes in its transactions."""
        badges = () if self.badges is None else (self.badges,)
        return (self.events, self.rejections, self.dead_letters, *badges)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A service under a prefix; everything here goes by the topics' full names."""

    service: Service
    prefix: str
    partitions: int

    @property
    def inputs(self) -> dict[str, Input]:
        """The topics read."""
        return {entry.topic.name(self.prefix): entry for entry in self.service.inputs}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics written."""
        return tuple(topic.name(self.prefix) for topic in self.service.outputs)

    @property
    def commands(self) -> str:
        """The one input that has commands."""
        return next(name for name, entry in self.inputs.items() if entry.kind == "commands")

    @property
    def rejections(self) -> str:
        """The output that has the rejections."""
        return self.service.rejections.name(self.prefix)

    @property
    def dead_letters(self) -> str:
        """The output that has the dead letters."""
        return self.service.dead_letters.name(self.prefix)

    @property
    def badges(self) -> str | None:
        """The output that has the badges."""
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
"""Event types that nothing but a command can cause."""
