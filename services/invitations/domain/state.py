"""Frozen values of the domain: policy, users, rooms and seats; the expiry of invitations."""

from typing import Any, Literal, NamedTuple

from cohost_schemas.invitation import Invitation
from cohost_schemas.types import OPEN_STATUSES, RoomStatus, UserStatus, build_message


class Policy(NamedTuple):
    """The operator's limits: whether unknown users may take part, and pending invitations per room."""

    accept_unknown_users: bool = False
    max_pending: int = 100


class User(NamedTuple):
    """A user by its last fact; the status is `gone` after a tombstone."""

    status: UserStatus | Literal["gone"]
    can_receive_invitations: bool = True
    blocked_user_ids: frozenset[str] = frozenset()


class Room(NamedTuple):
    """A room by its last fact; the last published `StageChanged` has the same values.

    `incarnation` grows with each tombstone: invitations of earlier incarnations no longer count, without an
    update of their rows. `position` is the offset of the last fact.
    """

    host_id: str
    status: RoomStatus
    max_co_hosts: int
    incarnation: int
    deleted: bool
    position: int

    @property
    def is_open(self) -> bool:
        """Return whether invitations may be sent and accepted."""
        return self.status in OPEN_STATUSES


class Seat(NamedTuple):
    """A co-host's seat.

    `position` sorts a stage's seats. It is the offset of the command that gave the seat, or of one that gave
    another seat of the stage: arranging the stage exchanges positions. So a new seat always comes last.
    """

    invitation_id: str
    since: str
    position: int


def is_overdue(invitation: Invitation, at: str) -> bool:
    """Return whether a pending invitation has expired at `at`; timestamps order as text."""
    return at >= invitation.expires_at


def expired_fields(invitation: Invitation) -> dict[str, Any]:
    """Return the fields of a pending invitation after its expiry."""
    return {
        **vars(invitation),
        "status": "expired",
        "updated_at": invitation.expires_at,
        "close_reason": "expired",
    }


def invitation_as_of(invitation: Invitation, at: str) -> Invitation:
    """Return the invitation as of `at`: a pending one that is overdue counts as expired."""
    if invitation.status == "pending" and is_overdue(invitation, at):
        return build_message(Invitation, expired_fields(invitation))
    return invitation
