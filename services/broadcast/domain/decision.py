"""The deciders' input and output beside the stage: a record's origin, and the decision."""

from typing import NamedTuple

from cohost_schemas.types import Message
from services.broadcast.domain.state import Stage


class Origin(NamedTuple):
    """A record's id, its timestamp in the wire's form, its offset and its lane."""

    id: str
    at: str
    offset: int
    lane: int


class Decision(NamedTuple):
    """The next stage, and the events to publish."""

    stage: Stage
    events: tuple[Message, ...] = ()

    def followed_by(self, later: "Decision") -> "Decision":
        """Return this decision followed by `later`, which was decided on this one's stage."""
        return Decision(later.stage, self.events + later.events)
