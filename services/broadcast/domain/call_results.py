"""Fold LiveKit call results into a stage."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from cohost_schemas.events import GrantFailed, GrantProvisioned, GrantRevoked, IntruderRemoved
from cohost_schemas.signals import (
    CallResult,
    ErrandDone,
    GrantApplied,
    GrantCallFailed,
    IntruderSeen,
    RoomDeleted,
    RoomMade,
)
from cohost_schemas.types import Message, is_id
from services.broadcast.domain import connections, membership, permissions, presence
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import Intrusion, Member, Seat, Stage

_STOPPED_MODES = ("in_place", "removed")
_MAX_IDENTITY_LENGTH = 256


def apply_call_result(stage: Stage, result: CallResult, origin: Origin) -> Decision:
    """Return the decision on the result of a call."""
    match result:
        case GrantApplied():
            return _grant_applied(stage, result, origin)
        case IntruderSeen():
            return _intruder_seen(stage, result)
        case GrantCallFailed():
            return _grant_call_failed(stage, result)
        case ErrandDone():
            return Decision(_action_completed(stage, result, origin))
        case RoomDeleted():
            return _room_deleted(stage, result, origin)
        case RoomMade():
            return Decision(
                stage if stage.room.is_open else presence.delete_unexpected_room(stage, again=True)
            )
        case _:
            assert_never(result)


def _grant_applied(stage: Stage, result: GrantApplied, origin: Origin) -> Decision:
    """Record that the newest desired rights are applied.

    Of the results of older versions only that an intruder was stopped is recorded.
    """
    member = stage.members.get(result.user_id)
    if member is None or member.has_rights_in_sync:
        return Decision(stage)
    if member.desired_version != result.version:
        return _earlier_intruder_stopped(stage, member, result, origin)
    events = (
        *_revocation_events(stage, member, result, origin),
        *_provisioning_events(stage, member, result, origin),
        *_removal_events(stage, member, result, origin),
    )
    updated = replace(
        member,
        applied_version=result.version,
        failing=False,
        suspect=False,
        confirmed_intruder=False,
        pending_revocations=(),
        seat=_provisioned_seat(stage, member, origin),
    )
    decision = Decision(_with_intrusion(stage.with_members(updated), events, result), events)
    if result.participant is None or stage.badge_of(result.user_id) is None:
        return decision
    if member.presence.is_connected:
        return decision._replace(
            stage=connections.mark_tracks_muted(decision.stage, result.participant, origin)
        )
    return decision.followed_by(connections.mark_connected(decision.stage, result.participant, origin))


def _earlier_intruder_stopped(stage: Stage, member: Member, result: GrantApplied, origin: Origin) -> Decision:
    """Publish an intrusion that ended before a further webhook asked to look again."""
    is_newer = member.applied_version < result.version < member.desired_version
    if not (is_newer and member.suspect and result.mode in _STOPPED_MODES):
        return Decision(stage)
    events = _removal_events(stage, member, result, origin)
    updated = replace(member, applied_version=result.version, confirmed_intruder=False)
    return Decision(_with_intrusion(stage.with_members(updated), events, result), tuple(events))


def _with_intrusion(stage: Stage, events: Iterable[Message], result: GrantApplied) -> Stage:
    for event in events:
        if isinstance(event, IntruderRemoved):
            intrusion = Intrusion(result.user_id, result.sid, event.at)
            stage = stage.with_room(stage.room.with_intrusion(intrusion))
    return stage


def _intruder_seen(stage: Stage, result: IntruderSeen) -> Decision:
    """Record that a suspect is an intruder, because LiveKit may not show it any more after the demotion."""
    member = stage.members.get(result.user_id)
    if (
        member is None
        or not member.suspect
        or not member.applied_version < result.version <= member.desired_version
    ):
        return Decision(stage)
    return Decision(stage.with_members(replace(member, confirmed_intruder=True)))


def _grant_call_failed(stage: Stage, result: GrantCallFailed) -> Decision:
    """Publish the first failure since the last success."""
    member = stage.members.get(result.user_id)
    if (
        member is None
        or member.desired_version != result.version
        or member.has_rights_in_sync
        or member.failing
    ):
        return Decision(stage)
    next_stage = stage.with_members(replace(member, failing=True))
    invitation_id = _affected_invitation(member)
    if invitation_id is None:
        return Decision(next_stage)
    event = GrantFailed(
        room_id=result.room_id,
        user_id=result.user_id,
        invitation_id=invitation_id,
        error=result.error,
        attempts=result.attempts,
        retryable=result.retryable,
    )
    return Decision(next_stage, (event,))


def _action_completed(stage: Stage, result: ErrandDone, origin: Origin) -> Stage:
    """Remove a completed action and record which tracks it muted."""
    member = stage.members.get(result.user_id)
    if member is None or all(action.command_id != result.errand_id for action in member.actions):
        return stage
    remaining = tuple(action for action in member.actions if action.command_id != result.errand_id)
    next_stage = stage.with_members(replace(member, actions=remaining))
    if result.participant is None:
        return next_stage
    return connections.mark_tracks_muted(next_stage, result.participant, origin)


def _room_deleted(stage: Stage, result: RoomDeleted, origin: Origin) -> Decision:
    """Publish the revocations that the deletion of the LiveKit room completed."""
    room = stage.room
    if room.deletion_version != result.version:
        return Decision(stage)
    events = membership.room_deleted_revocations(room, room.pending_revocations, origin)
    emptied = stage.with_room(replace(room, deletion_version=None, pending_revocations=()))
    if result.room_sid is None:
        return Decision(emptied, events)
    return Decision(presence.mark_room_finished(emptied, result.room_sid, origin), events)


def _provisioned_seat(stage: Stage, member: Member, origin: Origin) -> Seat | None:
    seat = member.seat
    if seat is None or seat.provisioned or stage.badge_of(member.user_id) != "coHost":
        return seat
    return replace(seat, provisioned=True, provisioned_at=origin.at)


def _affected_invitation(member: Member) -> str | None:
    """Return the invitation that a failure concerns: the seat's, or that of the last seat that ended."""
    if member.seat is not None:
        return member.seat.invitation_id
    return member.pending_revocations[-1].invitation_id if member.pending_revocations else None


def _revocation_events(stage: Stage, member: Member, result: GrantApplied, origin: Origin) -> list[Message]:
    return [
        GrantRevoked(
            room_id=stage.room.room_id,
            user_id=revocation.user_id,
            invitation_id=revocation.invitation_id,
            reason=revocation.reason,
            mode="in_place" if result.mode == "in_place" else "absent",
            revoked_at=origin.at,
        )
        for revocation in member.pending_revocations
    ]


def _provisioning_events(stage: Stage, member: Member, result: GrantApplied, origin: Origin) -> list[Message]:
    seat = member.seat
    if seat is None or seat.provisioned or stage.badge_of(member.user_id) != "coHost":
        return []
    return [
        GrantProvisioned(
            room_id=stage.room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            mode="in_place" if result.mode == "in_place" else "on_join",
            permissions=permissions.desired_for(stage, member.user_id),
            provisioned_at=origin.at,
        )
    ]


def _removal_events(stage: Stage, member: Member, result: GrantApplied, origin: Origin) -> list[Message]:
    if not member.suspect or not (member.confirmed_intruder or result.mode in _STOPPED_MODES):
        return []
    return [
        IntruderRemoved(
            room_id=stage.room.room_id,
            user_id=member.user_id if is_id(member.user_id) else None,
            identity=member.user_id[:_MAX_IDENTITY_LENGTH],
            action="removed" if result.mode in ("removed", "absent") else "demoted",
            at=origin.at,
        )
    ]
