"""Decide a record: from the stage and the record to the next stage and the events to publish."""

from typing import assert_never

from cohost_schemas.commands import BroadcastCommand, MuteCoHost, UnmuteCoHost
from cohost_schemas.events import CoHostLeft, InvitationAccepted, StageArranged, StageChanged
from cohost_schemas.rejections import RejectionReason
from cohost_schemas.signals import (
    DeadlineReached,
    EgressEnded,
    ErrandDone,
    GrantApplied,
    GrantCallFailed,
    IntruderSeen,
    ParticipantJoined,
    ParticipantLeft,
    QualityDue,
    QualityReported,
    RoomCompared,
    RoomDeleted,
    RoomFinished,
    RoomMade,
    Signal,
    TrackPublished,
    TrackUnpublished,
)
from services.broadcast.domain import (
    call_results,
    connections,
    deadlines,
    drift,
    membership,
    muting,
    presence,
    quality,
)
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import SeatTimeouts, Stage

SeatEvent = InvitationAccepted | CoHostLeft | StageArranged
MembershipEvent = StageChanged | SeatEvent
RelevantRecord = MembershipEvent | Signal | BroadcastCommand


def decide_record(
    stage: Stage | None, record: RelevantRecord, origin: Origin, timeouts: SeatTimeouts
) -> Decision | RejectionReason | None:
    """Return the decision on a record, a rejection reason for a command, or None for an unknown room.

    A command of an unknown room is rejected.
    """
    if isinstance(record, MuteCoHost | UnmuteCoHost):
        return muting.decide_mute_command(stage, record, origin)
    if isinstance(record, StageChanged):
        decision = membership.update_room(stage, record, origin, timeouts)
    elif stage is None:
        return None
    else:
        decision = _decide_known_room(stage, record, origin, timeouts)
    return connections.with_announcements(decision, origin)


def _decide_known_room(  # noqa: PLR0911 - a case for each kind of record
    stage: Stage, record: SeatEvent | Signal, origin: Origin, timeouts: SeatTimeouts
) -> Decision:
    match record:
        case InvitationAccepted():
            return membership.add_seat(stage, record, origin, timeouts)
        case CoHostLeft():
            return membership.remove_seat(stage, record, origin)
        case StageArranged():
            return membership.arrange_seats(stage, record)
        case GrantApplied() | IntruderSeen() | GrantCallFailed() | ErrandDone() | RoomDeleted() | RoomMade():
            return call_results.apply_call_result(stage, record, origin)
        case (
            ParticipantJoined()
            | ParticipantLeft()
            | TrackPublished()
            | TrackUnpublished()
            | RoomFinished()
            | EgressEnded()
        ):
            return presence.apply_webhook(stage, record, origin, timeouts)
        case RoomCompared():
            return drift.correct_drift(stage, record, origin, timeouts)
        case DeadlineReached():
            return deadlines.expire_seat(stage, record, origin)
        case QualityReported():
            return quality.apply_report(stage, record, origin)
        case QualityDue():
            return quality.publish_due_quality(stage, record, origin)
        case _:
            assert_never(record)
