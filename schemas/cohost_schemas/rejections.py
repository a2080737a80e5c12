"""Rejection reasons (contract, section 3), their messages, and the rejection record."""

from typing import Literal, get_args

from cohost_schemas.invitation import Invitation
from cohost_schemas.types import Id, Message

RejectionReason = Literal[
    "wrong_partition",
    "unknown_command",
    "invalid_command",
    "room_not_found",
    "room_not_open",
    "not_room_host",
    "invalid_target",
    "user_not_found",
    "user_not_eligible",
    "already_co_host",
    "already_invited",
    "too_many_pending",
    "invitation_not_found",
    "not_invitee",
    "invitation_not_pending",
    "invitation_expired",
    "room_full",
    "not_co_host",
    "not_due",
    "user_eligible",
    "not_involved",
]
REJECTION_REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)

REJECTION_MESSAGES: dict[RejectionReason, str] = {
    "wrong_partition": "The command lies in another partition than murmur2 of its subject.",
    "unknown_command": "There is no command of this type on this topic.",
    "invalid_command": "The command breaks its schema.",
    "room_not_found": "There is no such room.",
    "room_not_open": "The room is not open.",
    "not_room_host": "Only the room's host may do this.",
    "invalid_target": "The host cannot invite the host.",
    "user_not_found": "There is no such user.",
    "user_not_eligible": "The user may not be invited or seated.",
    "already_co_host": "The user has a seat already.",
    "already_invited": "The user has a pending invitation already.",
    "too_many_pending": "The room has too many pending invitations.",
    "invitation_not_found": "There is no such invitation in this room.",
    "not_invitee": "The invitation is for somebody else.",
    "invitation_not_pending": "The invitation has been answered or closed already.",
    "invitation_expired": "The invitation's time is over.",
    "room_full": "Every seat is taken; the invitation stays pending.",
    "not_co_host": "The user has no such seat.",
    "not_due": "The invitation's time is not over yet.",
    "user_eligible": "The user may take part again.",
    "not_involved": "The user has neither an invitation nor a seat here.",
}


class CommandRejected(Message):
    """The outcome of a command that was refused and changed nothing."""

    command_id: str
    command_type: str
    reason: RejectionReason
    message: str
    room_id: Id | None = None
    invitation_id: Id | None = None
    actor_id: Id | None = None
    current: Invitation | None = None
