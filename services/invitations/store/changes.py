"""Changes of one batch: the final states to save, without intermediate ones."""

from dataclasses import dataclass, field
from typing import NamedTuple

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
from services.invitations.domain.stage import Stage, StageEvent
from services.invitations.domain.state import Room, Seat, User


@dataclass(slots=True)
class SentInvitation:
    """An invitation that the batch sent, in its final state.

    `position` is its command's offset, `correlation` what the command was given, if anything.
    """

    lane: int
    incarnation: int
    position: int
    invitation: Invitation
    correlation: Correlation | None = None


class RoomUpdate(NamedTuple):
    """A room after its last fact in the batch, with the fact's timestamp and title."""

    lane: int
    room: Room
    changed_at: str
    title: str | None


@dataclass(slots=True)
class HostChange:
    """A change of a room's host; `sequence` is that of its `StageChanged`, which is encoded later."""

    room_id: str
    host_id: str
    since: str
    sequence: int = 0

    def set_sequence(self, sequence: int) -> None:
        """Set the sequence of the event."""
        self.sequence = sequence


class UserUpdate(NamedTuple):
    """A user's last fact in the batch, with its partition and offset."""

    lane: int
    position: int
    user: User
    display_name: str | None


@dataclass(slots=True)
class BatchChanges:
    """The final states that a batch saves.

    `sent`, `renewed` and `closed` are keyed by invitation id: invitations of this batch, those that it resent
    or marked as seen, and older ones that it closed. `seats` are keyed by (room id, user id), with their
    lane; `ended_seats` by invitation id. `events` are all events, with their lanes, to be counted.
    """

    sent: dict[str, SentInvitation] = field(default_factory=dict)
    renewed: dict[str, Invitation] = field(default_factory=dict)
    closed: dict[str, Invitation] = field(default_factory=dict)
    seats: dict[tuple[str, str], tuple[int, Seat]] = field(default_factory=dict)
    ended_seats: dict[str, CoHostLeft] = field(default_factory=dict)
    rooms: dict[str, RoomUpdate] = field(default_factory=dict)
    host_changes: list[HostChange] = field(default_factory=list)
    users: dict[str, UserUpdate] = field(default_factory=dict)
    events: list[tuple[int, StageEvent]] = field(default_factory=list)

    def record_event(self, event: StageEvent, stage: Stage, position: int) -> None:
        """Record an event's final state. Call it before the stage moves to another incarnation."""
        self.events.append((stage.lane, event))
        match event:
            case InvitationSent():
                incarnation = stage.room.incarnation if stage.room is not None else 0
                self.sent[event.invitation_id] = SentInvitation(
                    stage.lane, incarnation, position, event, stage.sent_correlations.get(event.invitation_id)
                )
            case InvitationResent() | InvitationSeen():
                self._record_renewed(event)
            case InvitationAccepted():
                self._record_closed(event)
                seat = stage.seats[event.user_id]
                self.seats[event.room_id, event.user_id] = (stage.lane, seat)
            case CoHostLeft():
                self.seats.pop((event.room_id, event.user_id), None)
                self.ended_seats[event.invitation_id] = event
            case StageArranged():
                for user_id, arranged in stage.seats.items():
                    self.seats[event.room_id, user_id] = (stage.lane, arranged)
            case InvitationDeclined() | InvitationCancelled() | InvitationExpired():
                self._record_closed(event)
            case StageChanged():
                pass

    def add_host_change(self, room_id: str, host_id: str, since: str) -> HostChange:
        """Add a change of a room's host, or the first host of a room, and return it."""
        change = HostChange(room_id, host_id, since)
        self.host_changes.append(change)
        return change

    def _record_renewed(self, invitation: Invitation) -> None:
        self.renewed[invitation.invitation_id] = invitation
        if (sent := self.sent.get(invitation.invitation_id)) is not None:
            sent.invitation = invitation

    def _record_closed(self, invitation: Invitation) -> None:
        sent = self.sent.get(invitation.invitation_id)
        if sent is None:
            self.closed[invitation.invitation_id] = invitation
        else:
            sent.invitation = invitation
