"""The deciders' input and output beside the stage: a record's origin, and the decision."""

from typing import NamedTuple

from schemas.types import Message
from services.broadcast.state import Stage


class Cause(NamedTuple):
    """A record's id, its timestamp in the wire's form, its offset and its lane."""

    id: str
    at: str
    offset: int
    lane: int


class Change(NamedTuple):
    """The next stage, and the events to publish."""

    stage: Stage
    events: tuple[Message, ...] = ()

    def then(self, next_: "Change") -> "Change":
        """Return this decision followed by `later`, which was decided on this one's stage."""
        return Change(next_.stage, self.events + next_.events)
