"""The topics that broadcast reads and writes."""

from cohost_schemas import commands, events, signals, topics
from cohost_schemas.rejections import CommandSummary, summarize_command
from messaging.processor import InputTopic, Topology

TOPOLOGY = Topology(
    name="broadcast",
    source="/cohost/broadcast",
    inputs=(
        InputTopic(topics.INVITATION_EVENTS, "events", events.INVITATIONS),
        InputTopic(topics.BROADCAST_SIGNALS, "signals", signals.ALL),
        InputTopic(topics.BROADCAST_COMMANDS, "commands", commands.BROADCAST),
    ),
    outputs=(
        topics.BROADCAST_EVENTS,
        topics.BROADCAST_REJECTIONS,
        topics.BADGES,
        topics.BROADCAST_DEAD_LETTERS,
    ),
    rejections=topics.BROADCAST_REJECTIONS,
    dead_letters=topics.BROADCAST_DEAD_LETTERS,
    summary_fields=CommandSummary._fields,
    summarize_command=summarize_command,
)
