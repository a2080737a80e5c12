"""Decide commands: rules are checked in the contract's order, and the first that fails rejects."""

from typing import NamedTuple, assert_never, cast

from cohost_schemas import timestamps
from cohost_schemas.commands import (
    AcceptInvitation,
    ArrangeStage,
    CancelInvitation,
    DeclineInvitation,
    ExcludeUser,
    ExpireInvitation,
    InvitationCommand,
    LeaveStage,
    MarkInvitationSeen,
    ReleaseSeat,
    RemoveCoHost,
    ResendInvitation,
    SendInvitation,
)
from cohost_schemas.events import InvitationAccepted, InvitationDeclined, InvitationSent
from cohost_schemas.invitation import Invitation
from cohost_schemas.rejections import RejectionReason
from cohost_schemas.types import build_message
from messaging.processor import InputRecord, Rejection
from services.invitations.domain import closures, eligibility, renewals, seats
from services.invitations.domain.stage import Stage, StageEvent
from services.invitations.domain.state import Policy, Room, User, is_overdue

Decision = tuple[StageEvent, ...] | Rejection


class CommandContext(NamedTuple):
    """The inputs of a decision besides the command's data: id, timestamp, room, stage, user and policy."""

    id: str
    at: str
    room: Room
    stage: Stage
    user: User | None
    policy: Policy


def decide_command(record: InputRecord, stage: Stage, user: User | None, policy: Policy) -> Decision:  # noqa: C901, PLR0911, PLR0912 - a case for each command
    """Return the events of a command, at least one, or its rejection.

    `user` is the user that the command would put on the stage, or remove from it as ineligible; None is an
    unknown user. The stage must hold the invitations that the command refers to.
    """
    room = stage.room
    if room is None or room.deleted:
        return Rejection("room_not_found")
    command = cast("InvitationCommand", record.data)
    context = CommandContext(record.id, record.timestamp, room, stage, user, policy)
    match command:
        case SendInvitation():
            return _check_send(command, context) or _send_invitation(command, context)
        case AcceptInvitation():
            return _accept_invitation(command, context)
        case DeclineInvitation():
            return _decline_invitation(command, context)
        case ResendInvitation():
            return _resend_invitation(command, context)
        case MarkInvitationSeen():
            return _mark_seen(command, context)
        case CancelInvitation():
            return _cancel_invitation(command, context)
        case LeaveStage():
            return seats.leave_stage(command, stage, record.timestamp)
        case ArrangeStage():
            return seats.arrange_stage(command, room, stage, record.timestamp)
        case ExpireInvitation():
            return _expire_invitation(command, context)
        case RemoveCoHost():
            return seats.remove_co_host(command, room, stage, record.timestamp)
        case ReleaseSeat():
            return seats.release_seat(command, stage, record.timestamp)
        case ExcludeUser():
            return _exclude_user(command, context)
        case _:
            assert_never(command)


def _check_send(command: SendInvitation, context: CommandContext) -> Rejection | None:
    room = context.room
    if not room.is_open:
        return Rejection("room_not_open")
    if command.actor_id != room.host_id:
        return Rejection("not_room_host")
    if command.user_id == room.host_id:
        return Rejection("invalid_target")
    return eligibility.check_invitable(context.user, room, context.policy) or _check_stage_limits(
        command.user_id, context
    )


def _check_stage_limits(user_id: str, context: CommandContext) -> Rejection | None:
    """Reject a user with a seat or pending invitation, and anyone once too many invitations are pending."""
    stage = context.stage
    if user_id in stage.seats:
        return Rejection("already_co_host")
    pending = stage.pending_by_user.get(user_id)
    if pending is not None and not is_overdue(pending, context.at):
        return Rejection("already_invited", pending)
    # The user's own overdue invitation does not count: sending a new one closes it.
    if len(stage.pending_by_id) - (pending is not None) >= context.policy.max_pending:
        return Rejection("too_many_pending")
    return None


def _send_invitation(command: SendInvitation, context: CommandContext) -> Decision:
    stage, at = context.stage, context.at
    sent = build_message(
        InvitationSent,
        {
            "invitation_id": context.id,
            "room_id": command.room_id,
            "user_id": command.user_id,
            "invited_by": command.actor_id,
            "status": "pending",
            "sent_at": at,
            "expires_at": timestamps.add_seconds(at, command.expires_in_seconds),
            "responded_at": None,
            "updated_at": at,
            "close_reason": None,
            "message": command.message,
            "previous_invitation_id": stage.last_invitation_of.get(command.user_id),
            "label": command.label,
            "times_sent": 1,
            "resent_at": None,
            "seen_at": None,
        },
    )
    overdue = stage.pending_by_user.get(command.user_id)
    return (sent,) if overdue is None else (closures.expire_invitation(overdue), sent)


def _accept_invitation(command: AcceptInvitation, context: CommandContext) -> Decision:
    invitation = _find_answerable(command, context)
    if isinstance(invitation, Rejection):
        return invitation
    if rejection := eligibility.check_eligibility(context.user, context.policy):
        return rejection._replace(current=invitation)
    if len(context.stage.seats) >= context.room.max_co_hosts:
        return Rejection("room_full", invitation)
    answer = {"status": "accepted", "responded_at": context.at, "updated_at": context.at}
    return (build_message(InvitationAccepted, {**vars(invitation), **answer}),)


def _decline_invitation(command: DeclineInvitation, context: CommandContext) -> Decision:
    invitation = _find_answerable(command, context)
    if isinstance(invitation, Rejection):
        return invitation
    answer = {
        "status": "rejected",
        "responded_at": context.at,
        "updated_at": context.at,
        "close_reason": "declined",
    }
    return (build_message(InvitationDeclined, {**vars(invitation), **answer}),)


def _resend_invitation(command: ResendInvitation, context: CommandContext) -> Decision:
    invitation = _find_revocable(command, context)
    if isinstance(invitation, Rejection):
        return invitation
    return renewals.resend_invitation(command, invitation, context.at)


def _mark_seen(command: MarkInvitationSeen, context: CommandContext) -> Decision:
    invitation = _find_answerable(command, context)
    return invitation if isinstance(invitation, Rejection) else renewals.mark_seen(invitation, context.at)


def _cancel_invitation(command: CancelInvitation, context: CommandContext) -> Decision:
    invitation = _find_revocable(command, context)
    if isinstance(invitation, Rejection):
        return invitation
    return (closures.cancel_invitation(invitation, context.at, "cancelled_by_host"),)


def _expire_invitation(command: ExpireInvitation, context: CommandContext) -> Decision:
    invitation = context.stage.find_invitation(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if invitation.status != "pending":
        return Rejection("invitation_not_pending")
    if not is_overdue(invitation, context.at):
        return Rejection("not_due")
    return (closures.expire_invitation(invitation),)


def _exclude_user(command: ExcludeUser, context: CommandContext) -> Decision:
    if eligibility.check_eligibility(context.user, context.policy) is None:
        return Rejection("user_eligible")
    closure = closures.Closure(command.room_id, context.at, "not_eligible")
    return closures.close_for_user(context.stage, command.user_id, closure) or Rejection("not_involved")


def _find_answerable(
    command: AcceptInvitation | DeclineInvitation | MarkInvitationSeen, context: CommandContext
) -> Invitation | Rejection:
    """Return the pending invitation if the actor may answer it now, else the rejection."""
    invitation = context.stage.find_invitation(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if command.actor_id != invitation.user_id:
        return _reject_with_invitation("not_invitee", invitation, command.actor_id, context)
    if reason := _closed_reason(invitation, context.at):
        return Rejection(reason, invitation)
    return invitation


def _find_revocable(
    command: CancelInvitation | ResendInvitation, context: CommandContext
) -> Invitation | Rejection:
    """Return the pending invitation if the actor may cancel or resend it now, else the rejection."""
    invitation = context.stage.find_invitation(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if command.actor_id != context.room.host_id:
        return _reject_with_invitation("not_room_host", invitation, command.actor_id, context)
    if reason := _closed_reason(invitation, context.at):
        return Rejection(reason, invitation)
    return invitation


def _closed_reason(invitation: Invitation, at: str) -> RejectionReason | None:
    """Return why an invitation is not pending any more, or None."""
    if invitation.status != "pending":
        return "invitation_not_pending"
    return "invitation_expired" if is_overdue(invitation, at) else None


def _reject_with_invitation(
    reason: RejectionReason, invitation: Invitation, actor_id: str, context: CommandContext
) -> Rejection:
    """Reject, with the invitation if the actor may see it: the host, the inviter and the invitee."""
    concerned = (context.room.host_id, invitation.invited_by, invitation.user_id)
    return Rejection(reason, invitation if actor_id in concerned else None)
