"""How invitations and seats end."""

from typing import Literal, NamedTuple

from schemas.commands import RemoveCoHost
from schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired
from schemas.invitation import Invitation
from schemas.types import CloseReason, LeaveReason, build
from services.invitations.stage import Happening, Stage
from services.invitations.state import Seat, lapsed, overdue


class Ending(NamedTuple):
    """Where, when and why something ends that its owner did not end."""

    room_id: str
    at: str
    reason: Literal["room_ended", "not_eligible", "became_host"]


def expire(invitation: Invitation) -> InvitationExpired:
    """Close a pending invitation whose time is over."""
    return build(InvitationExpired, lapsed(invitation))


def cancel(invitation: Invitation, at: str, reason: CloseReason) -> InvitationCancelled | InvitationExpired:
    """Close a pending invitation; one whose time is over expires, whatever closes it."""
    if overdue(invitation, at):
        return expire(invitation)
    return build(
        InvitationCancelled,
        {**vars(invitation), "status": "cancelled", "updated_at": at, "close_reason": reason},
    )


def leave(room_id: str, user_id: str, seat: Seat, at: str, reason: LeaveReason) -> CoHostLeft:
    """End a seat."""
    return build(
        CoHostLeft,
        {
            "room_id": room_id,
            "user_id": user_id,
            "invitation_id": seat.invitation_id,
            "reason": reason,
            "left_at": at,
            "removed_by": None,
        },
    )


def remove(command: RemoveCoHost, seat: Seat, at: str) -> CoHostLeft:
    """End a seat because the host says so."""
    left = leave(command.room_id, command.user_id, seat, at, "removed_by_host")
    return build(CoHostLeft, {**vars(left), "removed_by": command.actor_id})


def of_user(stage: Stage, user_id: str, ending: Ending) -> tuple[Happening, ...]:
    """End whatever the user has in the room."""
    room_id, at, reason = ending
    invitation = stage.waiting.get(user_id)
    seat = stage.seats.get(user_id)
    return (
        *((cancel(invitation, at, reason),) if invitation is not None else ()),
        *((leave(room_id, user_id, seat, at, reason),) if seat is not None else ()),
    )


def of_everybody(stage: Stage, ending: Ending) -> tuple[Happening, ...]:
    """End every pending invitation and every seat of the room."""
    room_id, at, reason = ending
    return (
        *(cancel(invitation, at, reason) for invitation in stage.pending.values()),
        *(leave(room_id, user_id, seat, at, reason) for user_id, seat in stage.seats.items()),
    )
