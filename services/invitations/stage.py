"""A room's stage in memory: all that deciding the room's next command needs."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from schemas.events import (
    CoHostLeft,
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
    InvitationSent,
    StageChanged,
)
from schemas.invitation import Invitation
from services.invitations.state import Room, Seat

_REMEMBERED = 1000
"""Entries of `last_invitation_of` up to which a stage keeps its full history."""

ValueT = TypeVar("ValueT")

Happening = (
    StageChanged
    | InvitationSent
    | InvitationAccepted
    | InvitationDeclined
    | InvitationCancelled
    | InvitationExpired
    | CoHostLeft
)


@dataclass(slots=True)
class Recent(Generic[ValueT]):
    """Values that a stage's last two batches loaded or wrote; older ones are committed and can be loaded."""

    now: dict[str, ValueT] = field(default_factory=dict)
    before: dict[str, ValueT] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.now or key in self.before

    def get(self, key: str) -> ValueT | None:
        """Return the newest value, or None."""
        return self.now[key] if key in self.now else self.before.get(key)

    def turn(self) -> None:
        """Start a batch: drop what is older than the previous one."""
        if self.now or self.before:
            self.before, self.now = self.now, {}


@dataclass(slots=True)
class Stage:
    """One room: the decider reads it, and only `evolve` and `set_room` change its state.

    It holds every pending invitation and every seat. Closed invitations, and each user's last invitation, are
    loaded on demand, unless the stage `has_full_history`: then a user without an entry has no invitation.
    `last_batch` is the batch that used the stage last, `size` its share of the cache's size.
    """

    lane: int
    room: Room | None = None
    pending: dict[str, Invitation] = field(default_factory=dict)
    waiting: dict[str, Invitation] = field(default_factory=dict)
    seats: dict[str, Seat] = field(default_factory=dict)
    closed: Recent[Invitation] = field(default_factory=Recent)
    last: Recent[str | None] = field(default_factory=Recent)
    complete: bool = False
    touched: int = -1
    weight: int = 0

    def find(self, invitation_id: str) -> Invitation | None:
        """Return an invitation of the room's current incarnation, if it is in memory."""
        return self.pending.get(invitation_id) or self.closed.get(invitation_id)

    def admit(self, invitation: Invitation) -> None:
        """Add a pending invitation."""
        self.pending[invitation.invitation_id] = invitation
        self.waiting[invitation.user_id] = invitation

    def touch(self, batch: int) -> None:
        """Start the batch with this number, unless it has started."""
        if self.touched != batch:
            self.touched = batch
            self.closed.turn()
            self.complete = self.complete and len(self.last.now) <= _REMEMBERED
            if not self.complete:
                self.last.turn()

    def weigh(self) -> int:
        """Count the stage's entries again; return the growth since the last count."""
        weight = 1 + len(self.pending) + len(self.seats) + len(self.last.now) + len(self.last.before)
        more, self.weight = weight - self.weight, weight
        return more

    def enter(self, room: Room) -> None:
        """Set the room of a fact; a new incarnation starts without past invitations."""
        if self.room is None or self.room.life != room.life:
            self.complete = True
            self.closed = Recent()
            self.last = Recent()
        self.room = room

    def evolve(self, event: Happening, position: int) -> None:
        """Apply an event; `position` is the offset of the record that caused it."""
        match event:
            case InvitationSent():
                self.admit(event)
                self.last.now[event.user_id] = event.invitation_id
            case InvitationAccepted():
                self._close(event)
                self.seats[event.user_id] = Seat(event.invitation_id, event.updated_at, position)
            case CoHostLeft():
                del self.seats[event.user_id]
            case InvitationDeclined() | InvitationCancelled() | InvitationExpired():
                self._close(event)
            case StageChanged():
                pass

    def _close(self, invitation: Invitation) -> None:
        self.pending.pop(invitation.invitation_id, None)
        self.waiting.pop(invitation.user_id, None)
        self.closed.now[invitation.invitation_id] = invitation
