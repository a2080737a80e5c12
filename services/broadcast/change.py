"""What a record is to the deciders, and what they make of it."""

from typing import NamedTuple

from schemas.types import Message
from services.broadcast.state import Stage


class Cause(NamedTuple):
    """Where a record came from: its id, its time, its offset, its lane."""

    id: str
    at: str
    offset: int
    lane: int


class Change(NamedTuple):
    """The stage that follows, and what is to be told of it."""

    stage: Stage
    events: tuple[Message, ...] = ()

    def then(self, next_: "Change") -> "Change":
        """Return this change followed by one that was decided on its stage."""
        return Change(next_.stage, self.events + next_.events)
