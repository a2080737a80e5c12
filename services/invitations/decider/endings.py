"""Close invitations and end seats."""

from typing import Literal, NamedTuple

from schemas.commands import RemoveCoHost
from schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired
from schemas.invitation import Invitation
from schemas.types import CloseReason, LeaveReason, build_message
from services.invitations.stage import Happening, Stage
from services.invitations.state import Seat, lapsed, overdue


class Ending(NamedTuple):
    """The room, time and reason of closures that neither host nor user asked for."""

    room_id: str
    at: str
    reason: Literal["room_ended", "not_eligible", "became_host"]


def expire(invitation: Invitation) -> InvitationExpired:
    """Return the expiry of an overdue invitation."""
    return build_message(InvitationExpired, lapsed(invitation))


def cancel(invitation: Invitation, at: str, reason: CloseReason) -> InvitationCancelled | InvitationExpired:
    """Return the cancellation of a pending invitation, or its expiry if it is overdue."""
    if overdue(invitation, at):
        return expire(invitation)
    return build_message(
        InvitationCancelled,
        {**vars(invitation), "status": "cancelled", "updated_at": at, "close_reason": reason},
    )


def leave(room_id: str, user_id: str, seat: Seat, at: str, reason: LeaveReason) -> CoHostLeft:
    """Return the end of a seat."""
    return build_message(
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
    """Return the end of a seat that the host removes."""
    left = leave(command.room_id, command.user_id, seat, at, "removed_by_host")
    return build_message(CoHostLeft, {**vars(left), "removed_by": command.actor_id})


def of_user(stage: Stage, user_id: str, ending: Ending) -> tuple[Happening, ...]:
    """Close the user's pending invitation and end the user's seat in the room, if any."""
    room_id, at, reason = ending
    invitation = stage.waiting.get(user_id)
    seat = stage.seats.get(user_id)
    return (
        *((cancel(invitation, at, reason),) if invitation is not None else ()),
        *((leave(room_id, user_id, seat, at, reason),) if seat is not None else ()),
    )


def of_everybody(stage: Stage, ending: Ending) -> tuple[Happening, ...]:
    """Close every pending invitation and end every seat of the room."""
    room_id, at, reason = ending
    return (
        *(cancel(invitation, at, reason) for invitation in stage.pending.values()),
        *(leave(room_id, user_id, seat, at, reason) for user_id, seat in stage.seats.items()),
    )
