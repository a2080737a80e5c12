"""The topics that invitations reads and writes."""

from cohost_schemas import commands, facts, topics
from cohost_schemas.rejections import CommandSummary, summarize_command
from messaging.processor import InputTopic, Topology

TOPOLOGY = Topology(
    name="invitations",
    source="/cohost/invitations",
    inputs=(
        InputTopic(topics.ROOMS, "facts", facts.ROOMS),
        InputTopic(topics.USERS, "facts", facts.USERS, key_field="user_id", shared=True),
        InputTopic(topics.INVITATION_COMMANDS, "commands", commands.INVITATIONS),
    ),
    outputs=(topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS, topics.INVITATION_DEAD_LETTERS),
    rejections=topics.INVITATION_REJECTIONS,
    dead_letters=topics.INVITATION_DEAD_LETTERS,
    summary_fields=CommandSummary._fields,
    summarize_command=summarize_command,
)
