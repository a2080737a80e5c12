"""The topics that broadcast reads and writes."""

from cohost_schemas import topics
from cohost_schemas.rejections import SUMMARY_FIELDS, summarize_command, summarize_invalid_command
from messaging.processor import Topology
from services.runtime import inputs

TOPOLOGY = Topology(
    name="broadcast",
    source="/cohost/broadcast",
    inputs=inputs.BROADCAST,
    outputs=(
        topics.BROADCAST_EVENTS,
        topics.BROADCAST_REJECTIONS,
        topics.BADGES,
        topics.BROADCAST_DEAD_LETTERS,
    ),
    rejections=topics.BROADCAST_REJECTIONS,
    dead_letters=topics.BROADCAST_DEAD_LETTERS,
    summary_fields=SUMMARY_FIELDS,
    summarize_command=summarize_command,
    summarize_invalid_command=summarize_invalid_command,
)
