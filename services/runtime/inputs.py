"""The inputs of each service: here, because the gateway must judge a record exactly as its service does."""

from cohost_schemas import commands, events, facts, signals, topics
from messaging.processor import InputTopic

INVITATIONS = (
    InputTopic(topics.ROOMS, "facts", facts.ROOMS),
    InputTopic(topics.USERS, "facts", facts.USERS, key_field="user_id", shared=True),
    InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
)
BROADCAST = (
    InputTopic(topics.INVITATION_EVENTS, "events", events.INVITATIONS),
    InputTopic(topics.BROADCAST_SIGNALS, "signals", signals.ALL),
    InputTopic(topics.BROADCAST_COMMANDS, "commands", commands.BROADCAST),
)
