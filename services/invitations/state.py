"""What invitations knows: users, rooms, and a room's stage with its pending invitations and seats."""

from typing import Any, Literal, NamedTuple

from schemas.invitation import Invitation
from schemas.types import OPEN_STATUSES, RoomStatus, UserStatus, build


class Policy(NamedTuple):
    """What the operator decides: may users never heard of take part, how many may a room be waiting for."""

    accept_unknown_users: bool = False
    max_pending: int = 100


class User(NamedTuple):
    """A user as last told; `gone` is one whose tombstone was read."""

    status: UserStatus | Literal["gone"]
    can_receive_invitations: bool = True
    blocked_user_ids: frozenset[str] = frozenset()


class Room(NamedTuple):
    """A room as last told, which is also what the last `StageChanged` said of it.

    `life` grows with each tombstone: what belongs to an earlier one is forgotten, without a word in its rows.
    `position` is the offset of the last fact.
    """

    host_id: str
    status: RoomStatus
    max_co_hosts: int
    life: int
    forgotten: bool
    position: int

    @property
    def open(self) -> bool:
        """Whether invitations may be sent and accepted."""
        return self.status in OPEN_STATUSES


class Seat(NamedTuple):
    """A co-host's seat; `position` is the offset of the command that gave it."""

    invitation_id: str
    since: str
    position: int


def overdue(invitation: Invitation, at: str) -> bool:
    """Say whether the time of a pending invitation is over; timestamps order as text."""
    return at >= invitation.expires_at


def lapsed(invitation: Invitation) -> dict[str, Any]:
    """Return the fields of a pending invitation whose time is over."""
    return {
        **vars(invitation),
        "status": "expired",
        "updated_at": invitation.expires_at,
        "close_reason": "expired",
    }


def as_of(invitation: Invitation, at: str) -> Invitation:
    """Return the invitation as it reads at this moment: a pending one whose time is over is expired."""
    if invitation.status == "pending" and overdue(invitation, at):
        return build(Invitation, lapsed(invitation))
    return invitation
