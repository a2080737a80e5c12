"""Apply LiveKit's webhooks to a stage: connections and tracks of hosts and co-hosts, suspects, recordings.

The participant's sid orders webhooks: a late webhook does not revive a connection that ended. The same
webhook may arrive more than once, and late, because LiveKit may send each one to every copy of the service.
"""

from dataclasses import replace
from typing import assert_never

from cohost_schemas import timestamps
from cohost_schemas.events import RecordingFinished
from cohost_schemas.signals import (
    EgressEnded,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    RoomFinished,
    TrackPublished,
    TrackUnpublished,
    WebhookReport,
)
from services.broadcast.domain import connections, permissions
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import Member, Room, SeatTimeouts, Stage, mark_out_of_sync

_MAX_FINISHED_ROOMS = 4
"""The number of finished LiveKit rooms whose sids are kept."""

_MAX_WEBHOOK_DELAY_SECONDS = 60
"""Twice the time after which LiveKit drops a webhook that it could not deliver."""

_MAX_WEBHOOK_IDS = 64
"""The number of webhook ids that are kept to detect repetitions."""

_MAX_EGRESS_IDS = 1000
"""The number of a room's recordings whose ids are kept to detect repetitions."""


def apply_webhook(stage: Stage, report: WebhookReport, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    """Return the decision on a webhook; a repeated one changes nothing."""
    if origin.id in stage.room.recent_webhook_ids:
        return Decision(stage)
    decision = _apply_report(stage, report, origin, timeouts)
    if decision.stage == stage:
        return decision
    # Webhooks without effect are not kept: in a large room they would push out the ids of the others.
    room = decision.stage.room
    remembered = replace(room, recent_webhook_ids=(*room.recent_webhook_ids, origin.id)[-_MAX_WEBHOOK_IDS:])
    return decision._replace(stage=decision.stage.with_room(remembered))


def _apply_report(stage: Stage, report: WebhookReport, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    match report:
        case ParticipantJoined():
            return _participant_joined(stage, report, origin)
        case ParticipantLeft():
            return _participant_left(stage, report, origin, timeouts)
        case TrackPublished():
            return _track_published(stage, report, origin)
        case TrackUnpublished():
            return _track_unpublished(stage, report, origin)
        case RoomFinished():
            return Decision(mark_room_finished(stage, report.room_sid, origin))
        case EgressEnded():
            return _egress_ended(stage, report)
        case _:
            assert_never(report)


def _participant_joined(stage: Stage, report: ParticipantJoined, origin: Origin) -> Decision:
    """Record a connection, and mark the rights as out of sync if they are not the desired ones."""
    if report.room_sid in stage.room.finished_room_sids:
        return Decision(stage)
    if not stage.room.is_open:
        return Decision(delete_unexpected_room(stage))
    participant = report.participant
    current = stage
    if stage.room.room_sid != report.room_sid:
        current = stage.with_room(
            replace(stage.room, room_sid=report.room_sid, room_sid_offset=origin.offset)
        )
    if current.badge_of(participant.user_id) is None:
        if not permissions.exceeds_viewer(participant):
            return Decision(stage)
        is_proof = _proves_intrusion(current.room, participant, origin)
        return Decision(mark_suspect(current, participant.user_id, confirmed=is_proof))
    known = current.member_or_empty(participant.user_id).presence
    if known.is_connected and known.sid == participant.sid:
        # This report may be late, and tracks have their own ones.
        participant = participant.model_copy(update={"tracks": known.tracks})
    decision = connections.mark_connected(current, participant, origin)
    return (
        decision
        if permissions.has_desired_rights(current, participant)
        else decision._replace(stage=mark_out_of_sync(decision.stage, participant.user_id))
    )


def _participant_left(
    stage: Stage, report: ParticipantLeft, origin: Origin, timeouts: SeatTimeouts
) -> Decision:
    """Record that a connection ended, unless another connection of the same user replaces it."""
    member = stage.member_or_empty(report.user_id)
    is_known = report.user_id in stage.members or stage.badge_of(report.user_id) is not None
    if not is_known or not stage.room.is_open:
        return Decision(stage)
    is_current = member.presence.is_connected and member.presence.sid == report.sid
    if report.reason == "moved":
        return Decision(stage.with_members(_mark_possibly_absent(member, origin)) if is_current else stage)
    if is_current:
        return connections.mark_disconnected(stage, member, origin, timeouts)
    presence = replace(member.presence, ended_sids=connections.with_ended_sid(member.presence, report.sid))
    return Decision(stage.with_members(replace(member, presence=presence)))


def _track_published(stage: Stage, report: TrackPublished, origin: Origin) -> Decision:
    """Record a track; mark a publisher without a badge as suspect, and forbidden tracks as out of sync.

    A new co-host or host may publish before the result of the grant reports their connection: then the track
    proves it.
    """
    if report.room_sid in stage.room.finished_room_sids:
        return Decision(stage)
    if not stage.room.is_open:
        return Decision(delete_unexpected_room(stage))
    if stage.badge_of(report.user_id) is None:
        return Decision(mark_suspect(stage, report.user_id))
    member = stage.member_or_empty(report.user_id)
    before = member.presence
    if not before.is_connected and report.sid not in before.ended_sids:
        decision = connections.connect(stage, member, report.sid, (report.track,), origin)
    elif before.sid == report.sid:
        others = tuple(track for track in before.tracks if track.sid != report.track.sid)
        decision = Decision(connections.with_tracks(stage, member, (*others, report.track), origin))
    else:
        return Decision(stage)
    allowed = permissions.desired_for(stage, report.user_id).can_publish_sources
    is_forbidden = report.track.source in permissions.ALL_SOURCES and report.track.source not in allowed
    if is_forbidden or permissions.has_disguised_tracks(decision.stage.member_or_empty(report.user_id)):
        return decision._replace(stage=mark_out_of_sync(decision.stage, report.user_id))
    return decision


def _track_unpublished(stage: Stage, report: TrackUnpublished, origin: Origin) -> Decision:
    """Remove a track from its participant's presence; a hard mute may cover others without it."""
    member = stage.members.get(report.user_id)
    if member is None or member.presence.sid != report.sid:
        return Decision(stage)
    remaining = tuple(track for track in member.presence.tracks if track.sid != report.track_sid)
    next_stage = connections.with_tracks(stage, member, remaining, origin)
    if permissions.has_disguised_tracks(next_stage.member_or_empty(report.user_id)):
        next_stage = mark_out_of_sync(next_stage, report.user_id)
    return Decision(next_stage)


def _egress_ended(stage: Stage, report: EgressEnded) -> Decision:
    """Publish a recording the first time that it is reported, also in a room that has closed."""
    known = stage.room.finished_egress_ids
    if report.egress_id in known:
        return Decision(stage)
    finished = RecordingFinished(
        room_id=report.room_id,
        egress_id=report.egress_id,
        status=report.status,
        files=report.files,
        started_at=report.started_at,
        ended_at=report.ended_at,
    )
    remembered = (*known, report.egress_id)[-_MAX_EGRESS_IDS:]
    return Decision(stage.with_room(replace(stage.room, finished_egress_ids=remembered)), (finished,))


def mark_room_finished(stage: Stage, room_sid: str, origin: Origin) -> Stage:
    """Record that the LiveKit room with this sid ended, and with it every connection.

    The participants stay connected for now: LiveKit reports each leave on its own, and a restarting server
    ends its rooms too. Participants that the next snapshot does not show count as disconnected.
    """
    room = stage.room
    if room_sid in room.finished_room_sids:
        return stage
    finished = replace(
        room,
        finished_room_sids=(*room.finished_room_sids, room_sid)[-_MAX_FINISHED_ROOMS:],
        room_sid_offset=origin.offset,
    )
    if room.room_sid not in (None, room_sid):
        return stage.with_room(finished)
    connected = [member for member in stage.sorted_members if room.is_open and member.presence.is_connected]
    next_stage = stage.with_room(replace(finished, room_sid=None))
    return next_stage.with_members(*(_mark_possibly_absent(member, origin) for member in connected))


def mark_suspect(stage: Stage, user_id: str, *, confirmed: bool = False) -> Stage:
    """Mark a user without a seat as suspect: the reconciler checks LiveKit, and revokes rights that it shows.

    With `confirmed`, the user is an intruder even if LiveKit shows no rights at that check. A user whose
    rights are already being revoked does not become a suspect.
    """
    member = stage.member_or_empty(user_id)
    if member.has_rights_in_sync or member.suspect:
        confirmed = confirmed or member.confirmed_intruder
        stage = stage.with_members(replace(member, suspect=True, confirmed_intruder=confirmed))
    return mark_out_of_sync(stage, user_id)


def _proves_intrusion(room: Room, participant: Participant, origin: Origin) -> bool:
    """Return whether a join with rights proves an intrusion by itself, though the webhook may be late.

    It does not while rights ended so recently that the join may be from before, nor if this connection's
    intrusion is published already.
    """
    if room.rights_ended_at is not None:
        latest = timestamps.add_seconds(room.rights_ended_at, _MAX_WEBHOOK_DELAY_SECONDS)
        if origin.at <= latest:
            return False
    connection = (participant.user_id, participant.sid)
    return all((past.identity, past.sid) != connection for past in room.intrusions)


def delete_unexpected_room(stage: Stage, *, again: bool = False) -> Stage:
    """Request the deletion of a LiveKit room that exists although the room is closed.

    With `again`, request it even if a deletion is pending, which may have run before the room was created.
    """
    if stage.room.is_deletion_pending and not again:
        return stage
    version = stage.room.latest_version + 1
    return stage.with_room(replace(stage.room, latest_version=version, deletion_version=version))


def _mark_possibly_absent(member: Member, origin: Origin) -> Member:
    """Mark a member as possibly absent: disconnected if the next snapshot does not show them."""
    return replace(
        member,
        presence=replace(member.presence, absent_since_snapshot=origin.id, changed_at_offset=origin.offset),
    )
