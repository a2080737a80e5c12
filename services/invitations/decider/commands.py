"""Decide commands: rules are checked in the contract's order, and the first that fails rejects."""

from typing import NamedTuple, assert_never, cast

from messaging.domain import InputRecord, Rejection
from schemas import timestamps
from schemas.commands import (
    AcceptInvitation,
    CancelInvitation,
    DeclineInvitation,
    ExcludeUser,
    ExpireInvitation,
    InvitationCommand,
    LeaveStage,
    ReleaseSeat,
    RemoveCoHost,
    SendInvitation,
)
from schemas.events import InvitationAccepted, InvitationDeclined, InvitationSent
from schemas.invitation import Invitation
from schemas.rejections import RejectionReason
from schemas.types import build_message
from services.invitations.decider import endings
from services.invitations.stage import Happening, Stage
from services.invitations.state import Policy, Room, User, overdue

Outcome = tuple[Happening, ...] | Rejection


class Situation(NamedTuple):
    """What a command is decided by: its id and timestamp, room, stage, user to check and policy."""

    id: str
    at: str
    room: Room
    stage: Stage
    user: User | None
    policy: Policy


def decide(incoming: InputRecord, stage: Stage, user: User | None, policy: Policy) -> Outcome:  # noqa: C901, PLR0911 - a case for each command
    """Return the events of a command, at least one, or its rejection.

    `user` is the user that the command would put on the stage, or remove from it as ineligible; None is an
    unknown user. The stage must hold the invitations that the command refers to.
    """
    room = stage.room
    if room is None or room.forgotten:
        return Rejection("room_not_found")
    command = cast("InvitationCommand", incoming.data)
    situation = Situation(incoming.id, incoming.timestamp, room, stage, user, policy)
    match command:
        case SendInvitation():
            return _refuse_to_send(command, situation) or _send(command, situation)
        case AcceptInvitation():
            return _accept(command, situation)
        case DeclineInvitation():
            return _decline(command, situation)
        case CancelInvitation():
            return _cancel(command, situation)
        case LeaveStage():
            return _leave(command, situation)
        case ExpireInvitation():
            return _expire(command, situation)
        case RemoveCoHost():
            return _remove(command, situation)
        case ReleaseSeat():
            return _release(command, situation)
        case ExcludeUser():
            return _exclude(command, situation)
        case _:
            assert_never(command)


def _refuse_to_send(command: SendInvitation, situation: Situation) -> Rejection | None:
    room = situation.room
    if not room.open:
        return Rejection("room_not_open")
    if command.actor_id != room.host_id:
        return Rejection("not_room_host")
    if command.user_id == room.host_id:
        return Rejection("invalid_target")
    if reason := _uninvitable(situation.user, room, situation.policy):
        return Rejection(reason)
    return _refuse_once_more(command.user_id, situation)


def _refuse_once_more(user_id: str, situation: Situation) -> Rejection | None:
    """Reject a user with a seat or pending invitation, and anyone once too many invitations are pending."""
    stage = situation.stage
    if user_id in stage.seats:
        return Rejection("already_co_host")
    waiting = stage.waiting.get(user_id)
    if waiting is not None and not overdue(waiting, situation.at):
        return Rejection("already_invited", waiting)
    # The user's own overdue invitation does not count: sending a new one closes it.
    if len(stage.pending) - (waiting is not None) >= situation.policy.max_pending:
        return Rejection("too_many_pending")
    return None


def _send(command: SendInvitation, situation: Situation) -> Outcome:
    stage, at = situation.stage, situation.at
    sent = build_message(
        InvitationSent,
        {
            "invitation_id": situation.id,
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
            "previous_invitation_id": stage.last.get(command.user_id),
        },
    )
    passed = stage.waiting.get(command.user_id)
    return (sent,) if passed is None else (endings.expire(passed), sent)


def _accept(command: AcceptInvitation, situation: Situation) -> Outcome:
    invitation = _answerable(command, situation)
    if isinstance(invitation, Rejection):
        return invitation
    if reason := _barred(situation.user, situation.policy):
        return Rejection(reason, invitation)
    if len(situation.stage.seats) >= situation.room.max_co_hosts:
        return Rejection("room_full", invitation)
    answer = {"status": "accepted", "responded_at": situation.at, "updated_at": situation.at}
    return (build_message(InvitationAccepted, {**vars(invitation), **answer}),)


def _decline(command: DeclineInvitation, situation: Situation) -> Outcome:
    invitation = _answerable(command, situation)
    if isinstance(invitation, Rejection):
        return invitation
    answer = {
        "status": "rejected",
        "responded_at": situation.at,
        "updated_at": situation.at,
        "close_reason": "declined",
    }
    return (build_message(InvitationDeclined, {**vars(invitation), **answer}),)


def _cancel(command: CancelInvitation, situation: Situation) -> Outcome:
    invitation = situation.stage.find(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if command.actor_id != situation.room.host_id:
        return _shown("not_room_host", invitation, command.actor_id, situation)
    if reason := _over(invitation, situation.at):
        return Rejection(reason, invitation)
    return (endings.cancel(invitation, situation.at, "cancelled_by_host"),)


def _remove(command: RemoveCoHost, situation: Situation) -> Outcome:
    if command.actor_id != situation.room.host_id:
        return Rejection("not_room_host")
    seat = situation.stage.seats.get(command.user_id)
    if seat is None:
        return Rejection("not_co_host")
    return (endings.remove(command, seat, situation.at),)


def _leave(command: LeaveStage, situation: Situation) -> Outcome:
    seat = situation.stage.seats.get(command.actor_id)
    if seat is None:
        return Rejection("not_co_host")
    return (endings.leave(command.room_id, command.actor_id, seat, situation.at, "left"),)


def _release(command: ReleaseSeat, situation: Situation) -> Outcome:
    seat = situation.stage.seats.get(command.user_id)
    if seat is None or seat.invitation_id != command.invitation_id:
        return Rejection("not_co_host")
    return (endings.leave(command.room_id, command.user_id, seat, situation.at, command.reason),)


def _expire(command: ExpireInvitation, situation: Situation) -> Outcome:
    invitation = situation.stage.find(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if invitation.status != "pending":
        return Rejection("invitation_not_pending")
    if not overdue(invitation, situation.at):
        return Rejection("not_due")
    return (endings.expire(invitation),)


def _exclude(command: ExcludeUser, situation: Situation) -> Outcome:
    if _barred(situation.user, situation.policy) is None:
        return Rejection("user_eligible")
    ending = endings.Ending(command.room_id, situation.at, "not_eligible")
    return endings.of_user(situation.stage, command.user_id, ending) or Rejection("not_involved")


def _answerable(
    command: AcceptInvitation | DeclineInvitation, situation: Situation
) -> Invitation | Rejection:
    """Return the pending invitation if the actor may answer it now, else the rejection."""
    invitation = situation.stage.find(command.invitation_id)
    if invitation is None:
        return Rejection("invitation_not_found")
    if command.actor_id != invitation.user_id:
        return _shown("not_invitee", invitation, command.actor_id, situation)
    if reason := _over(invitation, situation.at):
        return Rejection(reason, invitation)
    return invitation


def _over(invitation: Invitation, at: str) -> RejectionReason | None:
    """Return why an invitation can no longer be answered or cancelled, or None."""
    if invitation.status != "pending":
        return "invitation_not_pending"
    return "invitation_expired" if overdue(invitation, at) else None


def _shown(reason: RejectionReason, invitation: Invitation, actor_id: str, situation: Situation) -> Rejection:
    """Reject; show the invitation only to the host, the inviter and the invitee."""
    concerned = (situation.room.host_id, invitation.invited_by, invitation.user_id)
    return Rejection(reason, invitation if actor_id in concerned else None)


def _barred(user: User | None, policy: Policy) -> RejectionReason | None:
    """Return why a user may not be on any stage, or None."""
    if user is None:
        return None if policy.accept_unknown_users else "user_not_found"
    if user.status == "gone":
        return "user_not_found"
    return None if user.status == "active" else "user_not_eligible"


def _uninvitable(user: User | None, room: Room, policy: Policy) -> RejectionReason | None:
    """Return why a user may not be invited to this room, or None."""
    if reason := _barred(user, policy):
        return reason
    if user is None or (user.can_receive_invitations and room.host_id not in user.blocked_user_ids):
        return None
    return "user_not_eligible"
