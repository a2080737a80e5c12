"""Close invitations and end seats."""

import itertools
from typing import Literal, NamedTuple

from cohost_schemas.commands import RemoveCoHost
from cohost_schemas.events import CoHostLeft, InvitationCancelled, InvitationExpired
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import CloseReason, LeaveReason, build_message
from services.invitations.domain.stage import Stage, StageEvent
from services.invitations.domain.state import Seat, expired_fields, is_overdue

MAX_CLOSED_AT_ONCE = 1000
"""Pending invitations that one decision closes, at most."""


class Closure(NamedTuple):
    """The room, time and reason with which invitations and seats are closed without a request for it."""

    room_id: str
    at: str
    reason: Literal["room_ended", "not_eligible", "became_host"]


def expire_invitation(invitation: Invitation) -> InvitationExpired:
    """Return the expiry of an overdue invitation."""
    return build_message(InvitationExpired, expired_fields(invitation))


def cancel_invitation(
    invitation: Invitation, at: str, reason: CloseReason
) -> InvitationCancelled | InvitationExpired:
    """Return the cancellation of a pending invitation, or its expiry if it is overdue."""
    if is_overdue(invitation, at):
        return expire_invitation(invitation)
    return build_message(
        InvitationCancelled,
        {**vars(invitation), "status": "cancelled", "updated_at": at, "close_reason": reason},
    )


def end_seat(room_id: str, user_id: str, seat: Seat, at: str, reason: LeaveReason) -> CoHostLeft:
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


def end_seat_by_host(command: RemoveCoHost, seat: Seat, at: str) -> CoHostLeft:
    """Return the end of a seat that the host removes."""
    left = end_seat(command.room_id, command.user_id, seat, at, "removed_by_host")
    return build_message(CoHostLeft, {**vars(left), "removed_by": command.actor_id})


def close_for_user(stage: Stage, user_id: str, closure: Closure) -> tuple[StageEvent, ...]:
    """Close the user's pending invitation and end the user's seat in the room, if any."""
    room_id, at, reason = closure
    invitation = stage.pending_by_user.get(user_id)
    seat = stage.seats.get(user_id)
    return (
        *((cancel_invitation(invitation, at, reason),) if invitation is not None else ()),
        *((end_seat(room_id, user_id, seat, at, reason),) if seat is not None else ()),
    )


def close_all(stage: Stage, closure: Closure) -> tuple[StageEvent, ...]:
    """Close the pending invitations and end the seats of the room, `MAX_CLOSED_AT_ONCE` at most."""
    room_id, at, reason = closure
    first_pending = itertools.islice(stage.pending_by_id.values(), MAX_CLOSED_AT_ONCE)
    seats = {} if has_too_many_pending(stage) else stage.seats
    return (
        *(cancel_invitation(invitation, at, reason) for invitation in first_pending),
        *(end_seat(room_id, user_id, seat, at, reason) for user_id, seat in seats.items()),
    )


def has_too_many_pending(stage: Stage) -> bool:
    """Return whether `close_all` must be called again, for invitations that an earlier limit allowed."""
    return len(stage.pending_by_id) > MAX_CLOSED_AT_ONCE
