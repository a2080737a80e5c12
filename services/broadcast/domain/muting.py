"""Decide mute commands: authorize them and derive the rights and actions for LiveKit."""

from dataclasses import replace
from typing import Literal

from cohost_schemas.commands import BroadcastCommand, MuteCoHost, UnmuteCoHost
from cohost_schemas.events import CoHostMuted, CoHostUnmuteRequested
from cohost_schemas.rejections import RejectionReason
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import OneOffAction, Seat, Stage, mark_out_of_sync


def decide_mute_command(
    stage: Stage | None, command: BroadcastCommand, origin: Origin
) -> Decision | RejectionReason:
    """Return the decision on a mute command, or the reason for rejecting it."""
    if stage is None:
        return "room_not_found"
    seat = stage.member_or_empty(command.user_id).seat
    if seat is None or not stage.room.is_open:
        return "not_co_host"
    if command.actor_id != stage.room.host_id and not _is_own_soft_mute(command):
        return "not_room_host"
    if isinstance(command, MuteCoHost):
        return _mute(stage, seat, command, origin)
    return _unmute(stage, seat, command, origin)


def _is_own_soft_mute(command: BroadcastCommand) -> bool:
    return isinstance(command, MuteCoHost) and not command.hard and command.actor_id == command.user_id


def _mute(stage: Stage, seat: Seat, command: MuteCoHost, origin: Origin) -> Decision:
    muted = CoHostMuted(
        room_id=command.room_id,
        user_id=command.user_id,
        source=command.source,
        hard=command.hard,
        by=command.actor_id,
    )
    if command.source in seat.hard_muted:
        return Decision(stage, (muted,))
    if not command.hard:
        return Decision(_with_action(stage, "mute", command, origin), (muted,))
    muted_seat = replace(seat, hard_muted=(*seat.hard_muted, command.source))
    return Decision(_with_seat(stage, command.user_id, muted_seat, origin), (muted,))


def _unmute(stage: Stage, seat: Seat, command: UnmuteCoHost, origin: Origin) -> Decision:
    requested = CoHostUnmuteRequested(
        room_id=command.room_id, user_id=command.user_id, source=command.source, by=command.actor_id
    )
    with_request = _with_action(stage, "request_unmute", command, origin)
    if command.source not in seat.hard_muted:
        return Decision(with_request, (requested,))
    still_muted = tuple(source for source in seat.hard_muted if source != command.source)
    unmuted_seat = replace(seat, hard_muted=still_muted)
    return Decision(_with_seat(with_request, command.user_id, unmuted_seat, origin), (requested,))


def _with_seat(stage: Stage, user_id: str, seat: Seat, origin: Origin) -> Stage:
    changed = stage.with_members(replace(stage.member_or_empty(user_id), seat=seat))
    return mark_out_of_sync(changed, user_id, correlation=origin.correlation)


def _with_action(
    stage: Stage, kind: Literal["mute", "request_unmute"], command: BroadcastCommand, origin: Origin
) -> Stage:
    """Add an action; it replaces a pending one of the same kind and source."""
    member = stage.member_or_empty(command.user_id)
    others = [old for old in member.actions if (old.kind, old.source) != (kind, command.source)]
    action = OneOffAction(origin.id, kind, command.source, command.actor_id, origin.at, origin.correlation)
    return stage.with_members(replace(member, actions=(*others, action)))
