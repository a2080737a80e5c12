"""The topology of each service: the topics that it reads and writes by the contract."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from cohost_schemas import commands, events, facts, signals, topics
from cohost_schemas.envelope import Headers
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message

InputKind = Literal["facts", "events", "commands"]


class LogRecord(NamedTuple):
    """A committed record. aiokafka's records work too: only these fields are used."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The offsets of a partition: the first in the log, and the next to be written."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class InputTopic:
    """A topic that a service reads; `key_field` is the data field that must equal subject and key."""

    topic: Topic
    kind: InputKind
    models: tuple[type[Message], ...]
    key_field: str = "room_id"


@dataclass(frozen=True, slots=True)
class ServiceTopology:
    """The topics of a service. Only records on `events` or `rejections` are outcomes of commands."""

    inputs: tuple[InputTopic, ...]
    events: Topic
    rejections: Topic
    dead_letters: Topic
    badges: Topic | None = None

    @property
    def output_topics(self) -> tuple[Topic, ...]:
        """Return all topics that the service writes in its transactions."""
        badges = () if self.badges is None else (self.badges,)
        return (self.events, self.rejections, self.dead_letters, *badges)


@dataclass(frozen=True, slots=True)
class DeployedService:
    """A service under a topic prefix; all properties use full topic names."""

    service: ServiceTopology
    prefix: str
    partition_count: int

    @property
    def inputs_by_name(self) -> dict[str, InputTopic]:
        """Return the input topics by full name."""
        return {input_topic.topic.full_name(self.prefix): input_topic for input_topic in self.service.inputs}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the full names of the output topics."""
        return tuple(topic.full_name(self.prefix) for topic in self.service.output_topics)

    @property
    def commands_topic(self) -> str:
        """Return the name of the commands topic."""
        return next(
            name for name, input_topic in self.inputs_by_name.items() if input_topic.kind == "commands"
        )

    @property
    def rejections_topic(self) -> str:
        """Return the name of the rejections topic."""
        return self.service.rejections.full_name(self.prefix)

    @property
    def dead_letters_topic(self) -> str:
        """Return the name of the dead letters topic."""
        return self.service.dead_letters.full_name(self.prefix)

    @property
    def badges_topic(self) -> str | None:
        """Return the name of the badges topic, None if the service has none."""
        return None if self.service.badges is None else self.service.badges.full_name(self.prefix)


SERVICES: tuple[ServiceTopology, ...] = (
    ServiceTopology(
        (
            InputTopic(topics.ROOMS, "facts", facts.ROOMS),
            InputTopic(topics.USERS, "facts", facts.USERS, key_field="user_id"),
            InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
        ),
        topics.INVITATION_EVENTS,
        topics.INVITATION_REJECTIONS,
        topics.INVITATION_DEAD_LETTERS,
    ),
    ServiceTopology(
        (
            InputTopic(topics.INVITATION_EVENTS, "events", events.INVITATIONS),
            InputTopic(topics.BROADCAST_SIGNALS, "events", signals.ALL),
            InputTopic(topics.BROADCAST_COMMANDS, "commands", commands.BROADCAST),
        ),
        topics.BROADCAST_EVENTS,
        topics.BROADCAST_REJECTIONS,
        topics.BROADCAST_DEAD_LETTERS,
        topics.BADGES,
    ),
)

COMMAND_ONLY_EVENTS: frozenset[str] = frozenset(
    f"cohost.{name}.v1"
    for name in (
        "InvitationSent",
        "InvitationResent",
        "InvitationSeen",
        "InvitationAccepted",
        "InvitationDeclined",
        "StageArranged",
        "CoHostMuted",
        "CoHostUnmuteRequested",
    )
)
"""Event types that only a command can cause."""
