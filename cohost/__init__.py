"""The client of Co-Host: commands with their outcomes, events and badges, reads, and the audit of the log.

`Client` is all that most programs need; `schemas.events` has what `Event.data` may be.
"""

from cohost.client import Client
from cohost.errors import NotConfirmed, OutcomeUnknown, PositionLost, ProblemError, Rejected
from cohost.records import Accepted, Badge, Event, Position
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
]
