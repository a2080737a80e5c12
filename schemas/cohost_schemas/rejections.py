"""Rejection reasons (contract, section 3), their messages, and the ids that an outcome shows."""

from collections.abc import Sequence
from typing import Literal, get_args

from cohost_schemas.invitation import Invitation
from cohost_schemas.types import Id, Message, Timestamp, is_id

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
    "too_soon",
    "already_seen",
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
    "too_soon": "The invitation was sent a moment ago; retryAt is when it may be sent again.",
    "already_seen": "The invitee has seen the invitation already.",
    "room_full": "Every seat is taken; the invitation stays pending.",
    "not_co_host": "The user has no such seat.",
    "not_due": "The invitation's time is not over yet.",
    "user_eligible": "The user may take part again.",
    "not_involved": "The user has neither an invitation nor a seat here.",
}


class CommandRejected(Message):
    """The outcome of a command that was refused and changed nothing; `retryAt` is for `too_soon`."""

    command_id: str
    command_type: str
    reason: RejectionReason
    message: str
    room_id: Id | None = None
    invitation_id: Id | None = None
    actor_id: Id | None = None
    current: Invitation | None = None
    retry_at: Timestamp | None = None


SUMMARY_FIELDS = ("room_id", "invitation_id", "actor_id")
"""The ids that a command mentions: fields of its rejection, and columns of its stored outcome."""

CommandSummary = tuple[str | None, str | None, str | None]

_STORED_IDS_ALONE = (".", "..")
"""What is a `StoredId` but no `Id`."""


def summarize_command(command: Message, events: Sequence[Message | None] = ()) -> CommandSummary:
    """Return the ids in a valid command; those of a rejected one must be an `Id`.

    `events` are those of an accepted command: the last one names an invitation that the command does not
    name, such as the one it sent.
    """
    # `vars`, because `getattr` with a default is slow for an attribute that a pydantic model lacks.
    get = vars(command).get
    room_id, invitation_id, actor_id = get("room_id"), get("invitation_id"), get("actor_id")
    if events:
        if invitation_id is None and events[-1] is not None:
            invitation_id = vars(events[-1]).get("invitation_id")
    elif room_id in _STORED_IDS_ALONE or invitation_id in _STORED_IDS_ALONE or actor_id in _STORED_IDS_ALONE:
        return _id_or_none(room_id), _id_or_none(invitation_id), _id_or_none(actor_id)
    return room_id, invitation_id, actor_id


def summarize_invalid_command(data: object) -> CommandSummary:
    """Return the ids in the data of an invalid command, which may be any JSON; None for what is no id."""
    if not isinstance(data, dict):
        return None, None, None
    return (
        _id_or_none(data.get("roomId")),
        _id_or_none(data.get("invitationId")),
        _id_or_none(data.get("actorId")),
    )


def _id_or_none(text: object) -> str | None:
    return text if isinstance(text, str) and is_id(text) else None
