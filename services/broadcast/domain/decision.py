"""A record's origin, which the deciders get beside the stage, and the decision that they return."""

from typing import NamedTuple

from cohost_schemas.envelope import Correlation
from cohost_schemas.types import Message
from services.broadcast.domain.state import Stage


class Origin(NamedTuple):
    """A record's id, its timestamp as RFC 3339 text, its offset, its lane and its correlation."""

    id: str
    at: str
    offset: int
    lane: int
    correlation: Correlation | None = None


class Decision(NamedTuple):
    """The next stage, and the events to publish."""

    stage: Stage
    events: tuple[Message, ...] = ()

    def followed_by(self, later: "Decision") -> "Decision":
        """Return this decision followed by `later`, which was decided on this one's stage."""
        return Decision(later.stage, self.events + later.events)
