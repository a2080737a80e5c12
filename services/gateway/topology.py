"""The topics that the gateway reads, for outcomes, streams and ops, and those that it writes.

For the histories of rooms and for redrives it also reads those that it writes.
"""

from dataclasses import dataclass

from cohost_schemas import events, topics
from cohost_schemas.topics import Topic
from messaging.processor import InputTopic


@dataclass(frozen=True, slots=True)
class GatewayTopics:
    """The topics that the gateway reads and writes."""

    name: str
    inputs: tuple[InputTopic, ...]
    outputs: tuple[Topic, ...]


TOPICS = GatewayTopics(
    name="gateway",
    inputs=(
        InputTopic(topics.INVITATION_EVENTS, "events", events.INVITATIONS),
        InputTopic(topics.INVITATION_REJECTIONS, "events", events.REJECTIONS),
        InputTopic(topics.BROADCAST_EVENTS, "events", events.BROADCAST),
        InputTopic(topics.BROADCAST_REJECTIONS, "events", events.REJECTIONS),
        InputTopic(topics.BADGES, "events", events.BADGES),
        InputTopic(topics.INVITATION_DEAD_LETTERS, "events", ()),
        InputTopic(topics.BROADCAST_DEAD_LETTERS, "events", ()),
    ),
    outputs=(topics.INVITATION_COMMANDS, topics.BROADCAST_COMMANDS, topics.ROOMS, topics.USERS),
)
SOURCE = "/cohost/gateway"
"""The `source` of the commands and facts that the gateway writes."""
