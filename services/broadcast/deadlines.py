"""Apply expired deadlines to a stage: a co-host did not reconnect in time, or never connected."""

from dataclasses import replace

from schemas.commands import ReleaseReason
from schemas.events import CoHostLost
from schemas.signals import DeadlineReached
from services.broadcast.change import Cause, Change
from services.broadcast.state import Release, Stage


def reached(stage: Stage, said: DeadlineReached, cause: Cause) -> Change:
    """Request the seat's release, if the deadline has not changed since the signal was written."""
    member = stage.members.get(said.user_id)
    if member is None or member.seat is None or member.seat.invitation_id != said.invitation_id:
        return Change(stage)
    # The clock of the worker that wrote the record may be ahead of the one that timestamped it.
    if member.deadline != said.due_at or cause.at < said.due_at:
        return Change(stage)
    reason: ReleaseReason = "connection_lost" if said.kind == "grace" else "no_show"
    released = replace(member.seat, no_show_at=None, release=Release(reason, said.command_id))
    presence = replace(member.presence, grace_ends_at=None)
    following = stage.with_members(replace(member, seat=released, presence=presence))
    if said.kind == "no_show":
        return Change(following)
    lost = CoHostLost(
        room_id=said.room_id, user_id=said.user_id, invitation_id=said.invitation_id, at=cause.at
    )
    return Change(following, (lost,))
