"""A room's stage in memory: the state that the decider reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cohost_schemas.envelope import Correlation
from cohost_schemas.events import (
    CoHostLeft,
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
    InvitationResent,
    InvitationSeen,
    InvitationSent,
    StageArranged,
    StageChanged,
)
from cohost_schemas.invitation import Invitation
from services.invitations.domain.state import Room, Seat

_MAX_LAST_INVITATIONS = 1000
"""Entries of `last_invitation_of` up to which a stage keeps its full history."""

ValueT = TypeVar("ValueT")

StageEvent = (
    StageChanged
    | InvitationSent
    | InvitationResent
    | InvitationSeen
    | InvitationAccepted
    | InvitationDeclined
    | InvitationCancelled
    | InvitationExpired
    | CoHostLeft
    | StageArranged
)


@dataclass(slots=True)
class TwoBatchCache(Generic[ValueT]):
    """Values that a stage's last two batches loaded or wrote; older ones can be loaded from Postgres."""

    current: dict[str, ValueT] = field(default_factory=dict)
    previous: dict[str, ValueT] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.current or key in self.previous

    def get(self, key: str) -> ValueT | None:
        """Return the newest value, or None."""
        return self.current[key] if key in self.current else self.previous.get(key)

    def rotate_batches(self) -> None:
        """Start a batch: drop what is older than the previous one."""
        if self.current or self.previous:
            self.previous, self.current = self.current, {}


@dataclass(slots=True)
class Stage:
    """One room: the decider reads it, and only `evolve` and `set_room` change its state.

    It holds every pending invitation, and every seat in the order of the seats' positions. Closed
    invitations, and each user's last invitation, are loaded on demand, unless the stage `has_full_history`:
    then a user without an entry has no invitation. `last_batch` is the batch that used the stage last.
    `sent_correlations` are those of pending invitations whose command had a correlation id or a trace.
    """

    lane: int
    room: Room | None = None
    pending_by_id: dict[str, Invitation] = field(default_factory=dict)
    pending_by_user: dict[str, Invitation] = field(default_factory=dict)
    sent_correlations: dict[str, Correlation] = field(default_factory=dict)
    seats: dict[str, Seat] = field(default_factory=dict)
    recently_closed: TwoBatchCache[Invitation] = field(default_factory=TwoBatchCache)
    last_invitation_of: TwoBatchCache[str | None] = field(default_factory=TwoBatchCache)
    has_full_history: bool = False
    last_batch: int = -1

    def find_invitation(self, invitation_id: str) -> Invitation | None:
        """Return an invitation of the room's current incarnation, if it is in memory."""
        return self.pending_by_id.get(invitation_id) or self.recently_closed.get(invitation_id)

    def add_pending(self, invitation: Invitation, correlation: Correlation | None = None) -> None:
        """Add a pending invitation, or replace it by its newer state.

        `correlation` is what the command that sent it was given; None leaves it as it is.
        """
        if correlation is not None:
            self.sent_correlations[invitation.invitation_id] = correlation
        self.pending_by_id[invitation.invitation_id] = invitation
        self.pending_by_user[invitation.user_id] = invitation

    def enter_batch(self, batch: int) -> None:
        """Start the batch with this number, unless it has started."""
        if self.last_batch != batch:
            self.last_batch = batch
            self.recently_closed.rotate_batches()
            self.has_full_history = (
                self.has_full_history and len(self.last_invitation_of.current) <= _MAX_LAST_INVITATIONS
            )
            if not self.has_full_history:
                self.last_invitation_of.rotate_batches()

    def count_entries(self) -> int:
        """Return the number of invitations and seats in memory, and 1 for the stage itself."""
        return (
            1
            + len(self.pending_by_id)
            + len(self.seats)
            + len(self.last_invitation_of.current)
            + len(self.last_invitation_of.previous)
            + len(self.recently_closed.current)
            + len(self.recently_closed.previous)
        )

    def set_room(self, room: Room) -> None:
        """Set the room of a fact; a new incarnation starts without past invitations."""
        if self.room is None or self.room.incarnation != room.incarnation:
            self.has_full_history = True
            self.recently_closed = TwoBatchCache()
            self.last_invitation_of = TwoBatchCache()
        self.room = room

    def correlation_of(self, event: StageEvent) -> Correlation | None:
        """Return the correlation of an event that follows from another record than its cause, or None.

        An invitation's expiry follows from its sending, whatever closes it. Without a correlation of its own
        a sending has that of its id, which is the invitation's.
        """
        if not isinstance(event, InvitationExpired):
            return None
        return self.sent_correlations.get(event.invitation_id) or Correlation(event.invitation_id)

    def evolve(self, event: StageEvent, position: int, correlation: Correlation | None = None) -> None:
        """Apply an event of the record at offset `position`, which was given this correlation."""
        match event:
            case InvitationSent():
                self.add_pending(event, correlation)
                self.last_invitation_of.current[event.user_id] = event.invitation_id
            case InvitationResent() | InvitationSeen():
                self.add_pending(event)
            case InvitationAccepted():
                self._close_invitation(event)
                self.seats[event.user_id] = Seat(event.invitation_id, event.updated_at, position)
            case CoHostLeft():
                del self.seats[event.user_id]
            case StageArranged():
                self._arrange_seats(event.user_ids)
            case InvitationDeclined() | InvitationCancelled() | InvitationExpired():
                self._close_invitation(event)
            case StageChanged():
                pass

    def _arrange_seats(self, user_ids: Sequence[str]) -> None:
        """Sort all seats in this order of their users."""
        positions = [seat.position for seat in self.seats.values()]
        self.seats = {
            user_id: self.seats[user_id]._replace(position=position)
            for user_id, position in zip(user_ids, positions, strict=True)
        }

    def _close_invitation(self, invitation: Invitation) -> None:
        self.pending_by_id.pop(invitation.invitation_id, None)
        self.pending_by_user.pop(invitation.user_id, None)
        self.sent_correlations.pop(invitation.invitation_id, None)
        self.recently_closed.current[invitation.invitation_id] = invitation
