"""Which messages lie on which topic, and an example of each."""

import json
from importlib import resources
from typing import Any

from schemas import commands, events, facts, signals, topics
from schemas.topics import Topic
from schemas.types import Message

CONTENT: dict[Topic, tuple[type[Message], ...]] = {
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
"""The data types of each topic; dead letters have none, being records as they were."""

ASKED: dict[str, dict[Topic, tuple[type[Message], ...]]] = {
    "invitations": {topics.INVITATION_COMMANDS: (commands.ExpireInvitation, commands.ExcludeUser)},
    "broadcast": {
        topics.INVITATION_COMMANDS: (commands.ReleaseSeat,),
        topics.BROADCAST_SIGNALS: signals.ALL,
    },
}
"""What each service writes besides its answers: what its clock and LiveKit make it ask for."""

TOMBSTONED: tuple[Topic, ...] = (topics.ROOMS, topics.USERS, topics.BADGES)
"""Topics where a null value says that what its key names is gone."""

COMMANDS: tuple[type[Message], ...] = (*commands.INVITATIONS, *commands.BROADCAST)
FACTS: tuple[type[Message], ...] = (*facts.ROOMS, *facts.USERS)
PUBLISHED: tuple[type[Message], ...] = (
    *COMMANDS,
    *FACTS,
    *events.INVITATIONS,
    *events.BROADCAST,
    *events.BADGES,
    *events.REJECTIONS,
)
"""Every type of the contract; the signals are broadcast's own business."""


def example(model: type[Message]) -> dict[str, Any]:
    """Return the CloudEvent that is the example of a published type."""
    file = resources.files("schemas") / "examples" / f"{model.__name__}.v1.json"
    event: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return event
