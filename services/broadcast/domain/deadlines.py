"""Apply expired deadlines to a stage: a co-host did not reconnect in time, or never connected."""

from dataclasses import replace

from cohost_schemas.commands import ReleaseReason
from cohost_schemas.events import CoHostLost
from cohost_schemas.signals import DeadlineReached
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import ReleaseRequest, Stage


def expire_seat(stage: Stage, signal: DeadlineReached, origin: Origin) -> Decision:
    """Request the seat's release, if the deadline has not changed since the signal was written."""
    member = stage.members.get(signal.user_id)
    if member is None or member.seat is None or member.seat.invitation_id != signal.invitation_id:
        return Decision(stage)
    # The clock of the worker that wrote the record may be ahead of the one that timestamped it.
    if member.seat_deadline != signal.due_at or origin.at < signal.due_at:
        return Decision(stage)
    reason: ReleaseReason = "connection_lost" if signal.kind == "grace" else "no_show"
    releasing_seat = replace(member.seat, no_show_at=None, release=ReleaseRequest(reason, signal.command_id))
    presence = replace(member.presence, grace_ends_at=None)
    next_stage = stage.with_members(replace(member, seat=releasing_seat, presence=presence))
    if signal.kind == "no_show":
        return Decision(next_stage)
    lost = CoHostLost(
        room_id=signal.room_id, user_id=signal.user_id, invitation_id=signal.invitation_id, at=origin.at
    )
    return Decision(next_stage, (lost,))
