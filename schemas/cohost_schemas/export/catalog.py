"""The message types of each topic, and an example of each type."""

import json
from pathlib import Path
from typing import Any

from cohost_schemas import commands, events, facts, signals, topics
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message

_EXAMPLES = Path(__file__).parents[2] / "examples"

MODELS_BY_TOPIC: dict[Topic, tuple[type[Message], ...]] = {
    topics.ROOMS: facts.ROOMS,
    topics.USERS: facts.USERS,
    topics.INVITATION_COMMANDS: commands.INVITATIONS,
    topics.INVITATION_EVENTS: events.INVITATIONS,
    topics.INVITATION_REJECTIONS: events.REJECTIONS,
    topics.BROADCAST_COMMANDS: commands.BROADCAST,
    topics.BROADCAST_SIGNALS: signals.ALL,
    topics.BROADCAST_EVENTS: events.BROADCAST,
    topics.BROADCAST_REJECTIONS: events.REJECTIONS,
    topics.BADGES: events.BADGES,
}
"""The data types of each topic; dead letters have none because they are unchanged records."""

EFFECT_OUTPUTS: dict[str, dict[Topic, tuple[type[Message], ...]]] = {
    "invitations": {topics.INVITATION_COMMANDS: (commands.ExpireInvitation, commands.ExcludeUser)},
    "broadcast": {
        topics.INVITATION_COMMANDS: (commands.ReleaseSeat,),
        topics.BROADCAST_SIGNALS: signals.ALL,
    },
}
"""The messages that each service writes outside its pipeline: due commands and LiveKit reports."""

TOMBSTONE_TOPICS: tuple[Topic, ...] = (topics.ROOMS, topics.USERS, topics.BADGES)
"""Topics with tombstones: a null value means that the room, user or badge of its key no longer exists."""

COMMANDS: tuple[type[Message], ...] = (*commands.INVITATIONS, *commands.BROADCAST)
FACTS: tuple[type[Message], ...] = (*facts.ROOMS, *facts.USERS)
PUBLISHED_MODELS: tuple[type[Message], ...] = (
    *COMMANDS,
    *FACTS,
    *events.INVITATIONS,
    *events.BROADCAST,
    *events.BADGES,
    *events.REJECTIONS,
)
"""Every type of the contract; signals are internal to broadcast."""


def load_example(model: type[Message]) -> dict[str, Any]:
    """Return the example CloudEvent of a published type."""
    file = _EXAMPLES / f"{model.__name__}.v1.json"
    event: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return event
