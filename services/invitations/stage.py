"""A room's stage in memory: what deciding its next command may ask for."""

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
"""How many users' last invitations a stage that has them all keeps."""

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
    """What the last two batches that touched a stage looked up or wrote; until then it may not be stored."""

    now: dict[str, ValueT] = field(default_factory=dict)
    before: dict[str, ValueT] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.now or key in self.before

    def get(self, key: str) -> ValueT | None:
        """Return the newest value."""
        return self.now[key] if key in self.now else self.before.get(key)

    def turn(self) -> None:
        """Begin a batch: drop what is older than the last one."""
        if self.now or self.before:
            self.before, self.now = self.now, {}


@dataclass(slots=True)
class Stage:
    """One room: deciders read it, and only `evolve` and `enter` move it.

    Every pending invitation and every seat of a known room is here; closed invitations and users' last ones
    are as they were asked for, unless the stage is `complete`: then it knows every user's last one.
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
        """Return an invitation of the room's present life."""
        return self.pending.get(invitation_id) or self.closed.get(invitation_id)

    def admit(self, invitation: Invitation) -> None:
        """Take in a pending invitation."""
        self.pending[invitation.invitation_id] = invitation
        self.waiting[invitation.user_id] = invitation

    def touch(self, batch: int) -> None:
        """Note that a batch is about this room."""
        if self.touched != batch:
            self.touched = batch
            self.closed.turn()
            self.complete = self.complete and len(self.last.now) <= _REMEMBERED
            if not self.complete:
                self.last.turn()

    def weigh(self) -> int:
        """Count again what the stage holds; return by how much that is more than before."""
        weight = 1 + len(self.pending) + len(self.seats) + len(self.last.now) + len(self.last.before)
        more, self.weight = weight - self.weight, weight
        return more

    def enter(self, room: Room) -> None:
        """Take over what a fact says of the room; a new life has no past."""
        if self.room is None or self.room.life != room.life:
            self.complete = True
            self.closed = Recent()
            self.last = Recent()
        self.room = room

    def evolve(self, event: Happening, position: int) -> None:
        """Take over what an event says, which was caused by the record at this offset."""
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
