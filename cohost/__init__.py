"""The Co-Host client: commands with outcomes, event and badge streams, HTTP reads, and the log audit.

Most programs need only `Client`. `cohost_schemas.events` lists the types that `Event.data` can have.
"""

from cohost.client import Client
from cohost.commands.retry import retry_until_known
from cohost.errors import NotConfirmed, OutcomeUnknown, PositionLost, ProblemError, Rejected
from cohost.events import Accepted, Badge, Event, Position
from cohost.streams import Stream

__all__ = [
    "Accepted",
    "Badge",
    "Client",
    "Event",
    "NotConfirmed",
    "OutcomeUnknown",
    "Position",
    "PositionLost",
    "ProblemError",
    "Rejected",
    "Stream",
    "retry_until_known",
]
