"""Decide mute commands: authorize them and derive the rights and actions for LiveKit."""

from dataclasses import replace
from typing import Literal

from schemas.commands import BroadcastCommand, MuteCoHost, UnmuteCoHost
from schemas.events import CoHostMuted, CoHostUnmuteRequested
from schemas.rejections import RejectionReason
from services.broadcast.change import Cause, Change
from services.broadcast.state import Errand, Seat, Stage, wish


def decide(stage: Stage | None, command: BroadcastCommand, cause: Cause) -> Change | RejectionReason:
    """Return the decision on a mute command, or the reason for rejecting it."""
    if stage is None:
        return "room_not_found"
    seat = stage.member(command.user_id).seat
    if seat is None or not stage.room.open:
        return "not_co_host"
    if command.actor_id != stage.room.host_id and not _softly_oneself(command):
        return "not_room_host"
    if isinstance(command, MuteCoHost):
        return _mute(stage, seat, command, cause)
    return _unmute(stage, seat, command, cause)


def _softly_oneself(command: BroadcastCommand) -> bool:
    return isinstance(command, MuteCoHost) and not command.hard and command.actor_id == command.user_id


def _mute(stage: Stage, seat: Seat, command: MuteCoHost, cause: Cause) -> Change:
    muted = CoHostMuted(
        room_id=command.room_id,
        user_id=command.user_id,
        source=command.source,
        hard=command.hard,
        by=command.actor_id,
    )
    if command.source in seat.hard_muted:
        return Change(stage, (muted,))
    if not command.hard:
        return Change(_with_errand(stage, "mute", command, cause), (muted,))
    silenced = replace(seat, hard_muted=(*seat.hard_muted, command.source))
    return Change(_with_seat(stage, command.user_id, silenced), (muted,))


def _unmute(stage: Stage, seat: Seat, command: UnmuteCoHost, cause: Cause) -> Change:
    requested = CoHostUnmuteRequested(
        room_id=command.room_id, user_id=command.user_id, source=command.source, by=command.actor_id
    )
    asked = _with_errand(stage, "ask_unmute", command, cause)
    if command.source not in seat.hard_muted:
        return Change(asked, (requested,))
    left = tuple(source for source in seat.hard_muted if source != command.source)
    return Change(_with_seat(asked, command.user_id, replace(seat, hard_muted=left)), (requested,))


def _with_seat(stage: Stage, user_id: str, seat: Seat) -> Stage:
    return wish(stage.with_members(replace(stage.member(user_id), seat=seat)), user_id)


def _with_errand(
    stage: Stage, kind: Literal["mute", "ask_unmute"], command: BroadcastCommand, cause: Cause
) -> Stage:
    """Add an action; it replaces a pending one of the same kind and source."""
    member = stage.member(command.user_id)
    others = [old for old in member.errands if (old.kind, old.source) != (kind, command.source)]
    errand = Errand(cause.id, kind, command.source, command.actor_id, cause.at)
    return stage.with_members(replace(member, errands=(*others, errand)))
