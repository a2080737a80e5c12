"""The topics that invitations reads and writes."""

from cohost_schemas import topics
from cohost_schemas.rejections import SUMMARY_FIELDS, summarize_command, summarize_invalid_command
from messaging.processor import Topology
from services.runtime import inputs

TOPOLOGY = Topology(
    name="invitations",
    source="/cohost/invitations",
    inputs=inputs.INVITATIONS,
    outputs=(topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS, topics.INVITATION_DEAD_LETTERS),
    rejections=topics.INVITATION_REJECTIONS,
    dead_letters=topics.INVITATION_DEAD_LETTERS,
    summary_fields=SUMMARY_FIELDS,
    summarize_command=summarize_command,
    summarize_invalid_command=summarize_invalid_command,
)
