"""The trouble that members have on a stage, as a number by which ops sort stages."""

from cohost_schemas.ops.state import StageCondition
from services.broadcast.domain.state.member import Member
from services.broadcast.domain.state.stage import Stage

FAILING_GRANT = 1000
"""The trouble of a member whose rights LiveKit refuses or failed to take; the other kinds are below it."""

_NOT_THERE = 100
_POOR_QUALITY = 10
_OUT_OF_SYNC = 1


def trouble_of(member: Member) -> int:
    """Return the member's trouble: each kind adds a digit of its own."""
    return (
        FAILING_GRANT * member.failing
        + _NOT_THERE * (_is_in_grace(member) or _has_never_connected(member))
        + _POOR_QUALITY * _has_poor_quality(member)
        + _OUT_OF_SYNC * member.is_out_of_sync
    )


def stage_condition(stage: Stage) -> StageCondition:
    """Return the stage in numbers."""
    members = stage.members.values()
    states = [member.co_host_states for member in members]
    return StageCondition(
        room_id=stage.room.room_id,
        host_connected=stage.member_or_empty(stage.room.host_id).presence.is_connected,
        seats=len(stage.seated_members),
        connected=sum("connected" in each for each in states),
        in_grace=sum(map(_is_in_grace, members)),
        never_connected=sum(map(_has_never_connected, members)),
        poor_quality=sum(map(_has_poor_quality, members)),
        out_of_sync=sum(member.is_out_of_sync for member in members),
        failing_grants=sum(member.failing for member in members),
        trouble=sum(map(trouble_of, members)),
    )


def _is_in_grace(member: Member) -> bool:
    return "in_grace" in member.co_host_states


def _has_never_connected(member: Member) -> bool:
    return member.seat is not None and member.seat.release is None and member.presence.state == "never"


def _has_poor_quality(member: Member) -> bool:
    return member.quality.is_bad and member.presence.is_connected
