"""Decide a record: from the stage and the record to the next stage and the events to publish."""

from typing import assert_never

from schemas.commands import BroadcastCommand, MuteCoHost, UnmuteCoHost
from schemas.events import CoHostLeft, InvitationAccepted, StageChanged
from schemas.rejections import RejectionReason
from schemas.signals import (
    DeadlineReached,
    ErrandDone,
    GrantApplied,
    GrantCallFailed,
    IntruderSeen,
    ParticipantJoined,
    ParticipantLeft,
    RoomCompared,
    RoomDeleted,
    RoomFinished,
    RoomMade,
    Signal,
    TrackPublished,
    TrackUnpublished,
)
from services.broadcast import achievements, deadlines, differences, membership, muting, presence
from services.broadcast.change import Cause, Change
from services.broadcast.state import Patience, Stage

StageFact = StageChanged | InvitationAccepted | CoHostLeft
Relevant = StageFact | Signal | BroadcastCommand


def decide(
    stage: Stage | None, data: Relevant, cause: Cause, patience: Patience
) -> Change | RejectionReason | None:
    """Return the decision on a record, or None for a record (not a command) of an unknown room.

    A command may be rejected: then its reason is returned.
    """
    if isinstance(data, MuteCoHost | UnmuteCoHost):
        return muting.decide(stage, data, cause)
    if isinstance(data, StageChanged):
        return membership.stage_changed(stage, data, cause, patience)
    return None if stage is None else _of_known(stage, data, cause, patience)


def _of_known(
    stage: Stage, data: InvitationAccepted | CoHostLeft | Signal, cause: Cause, patience: Patience
) -> Change:
    match data:
        case InvitationAccepted():
            return membership.accepted(stage, data, cause, patience)
        case CoHostLeft():
            return membership.left(stage, data, cause)
        case GrantApplied() | IntruderSeen() | GrantCallFailed() | ErrandDone() | RoomDeleted() | RoomMade():
            return achievements.decide(stage, data, cause)
        case ParticipantJoined() | ParticipantLeft() | TrackPublished() | TrackUnpublished() | RoomFinished():
            return presence.decide(stage, data, cause, patience)
        case RoomCompared():
            return differences.compared(stage, data, cause, patience)
        case DeadlineReached():
            return deadlines.reached(stage, data, cause)
        case _:
            assert_never(data)
