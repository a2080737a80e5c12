"""Fold LiveKit call results into a stage."""

from dataclasses import replace
from typing import assert_never

from schemas.events import GrantFailed, GrantProvisioned, GrantRevoked, IntruderRemoved
from schemas.signals import (
    CallResult,
    ErrandDone,
    GrantApplied,
    GrantCallFailed,
    IntruderSeen,
    RoomDeleted,
    RoomMade,
)
from schemas.types import Message, is_id
from services.broadcast import membership, presence, rights
from services.broadcast.change import Cause, Change
from services.broadcast.state import Member, Seat, Stage


def decide(stage: Stage, report: CallResult, cause: Cause) -> Change:
    """Return the decision on the result of a call."""
    match report:
        case GrantApplied():
            return _applied(stage, report, cause)
        case IntruderSeen():
            return _seen(stage, report)
        case GrantCallFailed():
            return _failed(stage, report)
        case ErrandDone():
            return Change(_errand_done(stage, report))
        case RoomDeleted():
            return _room_deleted(stage, report, cause)
        case RoomMade():
            return Change(stage if stage.room.open else presence.unwelcome(stage, anew=True))
        case _:
            assert_never(report)


def _applied(stage: Stage, said: GrantApplied, cause: Cause) -> Change:
    """Record that the newest desired rights are applied. Results of older versions are ignored."""
    member = stage.members.get(said.user_id)
    if member is None or member.version != said.version or member.settled:
        return Change(stage)
    events = (
        *_revoked(stage, member, said, cause),
        *_provisioned(stage, member, said, cause),
        *_removed(stage, member, said, cause),
    )
    settled = replace(
        member,
        achieved=said.version,
        failed=False,
        suspect=False,
        seen=False,
        revoking=(),
        seat=_provided(stage, member),
    )
    change = Change(stage.with_members(settled), events)
    if said.participant is None or stage.badge(said.user_id) is None or member.presence.connected:
        return change
    return change.then(presence.seen(change.stage, said.participant, cause))


def _seen(stage: Stage, said: IntruderSeen) -> Change:
    """Record that a suspect is an intruder: after the demotion LiveKit may not show it any more."""
    member = stage.members.get(said.user_id)
    if member is None or not member.suspect or not member.achieved < said.version <= member.version:
        return Change(stage)
    return Change(stage.with_members(replace(member, seen=True)))


def _failed(stage: Stage, said: GrantCallFailed) -> Change:
    """Publish the first failure since the last success."""
    member = stage.members.get(said.user_id)
    if member is None or member.version != said.version or member.settled or member.failed:
        return Change(stage)
    following = stage.with_members(replace(member, failed=True))
    invitation_id = _concerned(member)
    if invitation_id is None:
        return Change(following)
    told = GrantFailed(
        room_id=said.room_id,
        user_id=said.user_id,
        invitation_id=invitation_id,
        error=said.error,
        attempts=said.attempts,
        retryable=said.retryable,
    )
    return Change(following, (told,))


def _errand_done(stage: Stage, said: ErrandDone) -> Stage:
    """Remove a completed action and record which tracks it muted: others may have come or gone meanwhile."""
    member = stage.members.get(said.user_id)
    if member is None or all(errand.id != said.errand_id for errand in member.errands):
        return stage
    left = tuple(errand for errand in member.errands if errand.id != said.errand_id)
    done = said.participant.tracks if said.participant is not None else ()
    muted = {track.sid for track in done if track.muted}
    tracks = tuple(
        track.model_copy(update={"muted": True}) if track.sid in muted else track
        for track in member.presence.tracks
    )
    return stage.with_members(replace(member, errands=left, presence=replace(member.presence, tracks=tracks)))


def _room_deleted(stage: Stage, said: RoomDeleted, cause: Cause) -> Change:
    """Publish the revocations that the deletion of the LiveKit room completed."""
    room = stage.room
    if room.deletion != said.version:
        return Change(stage)
    events = membership.revoked_with_room(room, room.endings, cause)
    emptied = stage.with_room(replace(room, deletion=None, endings=()))
    if said.room_sid is None:
        return Change(emptied, events)
    return Change(presence.room_finished(emptied, said.room_sid, cause), events)


def _provided(stage: Stage, member: Member) -> Seat | None:
    if member.seat is None or stage.badge(member.user_id) != "coHost":
        return member.seat
    return replace(member.seat, provisioned=True)


def _concerned(member: Member) -> str | None:
    """Return the invitation that a failure concerns: the seat's, or that of the last seat that ended."""
    if member.seat is not None:
        return member.seat.invitation_id
    return member.revoking[-1].invitation_id if member.revoking else None


def _revoked(stage: Stage, member: Member, said: GrantApplied, cause: Cause) -> list[Message]:
    return [
        GrantRevoked(
            room_id=stage.room.room_id,
            user_id=ending.user_id,
            invitation_id=ending.invitation_id,
            reason=ending.reason,
            mode="in_place" if said.mode == "in_place" else "absent",
            revoked_at=cause.at,
        )
        for ending in member.revoking
    ]


def _provisioned(stage: Stage, member: Member, said: GrantApplied, cause: Cause) -> list[Message]:
    seat = member.seat
    if seat is None or seat.provisioned or stage.badge(member.user_id) != "coHost":
        return []
    return [
        GrantProvisioned(
            room_id=stage.room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            mode="in_place" if said.mode == "in_place" else "on_join",
            permissions=rights.wanted(stage, member.user_id),
            provisioned_at=cause.at,
        )
    ]


def _removed(stage: Stage, member: Member, said: GrantApplied, cause: Cause) -> list[Message]:
    intruder = member.suspect and (member.seen or said.mode in ("in_place", "removed"))
    if not intruder or not is_id(member.user_id):
        return []
    return [
        IntruderRemoved(
            room_id=stage.room.room_id,
            user_id=member.user_id,
            action="removed" if said.mode in ("removed", "absent") else "demoted",
            at=cause.at,
        )
    ]
