"""Correct drift between a stage and a snapshot of its LiveKit room: webhooks get lost, and rights drift."""

from dataclasses import replace

from cohost_schemas.signals import Participant, RoomCompared
from services.broadcast.domain import connections, permissions, presence
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import SeatTimeouts, Stage, mark_out_of_sync


def correct_drift(stage: Stage, snapshot: RoomCompared, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    """Correct what differs, except where something changed since the snapshot was taken."""
    if not stage.room.is_open:
        is_outdated = snapshot.room_sid is None or snapshot.version != stage.room.latest_version
        return Decision(stage if is_outdated else presence.delete_unexpected_room(stage))
    if stage.room.is_deletion_pending:
        return Decision(stage)
    decision = Decision(_adopt_room_sid(stage, snapshot))
    for participant in snapshot.participants:
        decision = decision.followed_by(_correct_participant(decision.stage, participant, snapshot, origin))
    return decision.followed_by(_disconnect_absent(decision.stage, snapshot, origin, timeouts))


def _adopt_room_sid(stage: Stage, snapshot: RoomCompared) -> Stage:
    """Adopt the sid of the present LiveKit room from the snapshot."""
    room = stage.room
    if (
        snapshot.room_sid is None
        or snapshot.version != room.latest_version
        or room.room_sid_offset >= snapshot.position
    ):
        return stage
    if room.room_sid == snapshot.room_sid and snapshot.room_sid not in room.finished_room_sids:
        return stage
    finished = tuple(sid for sid in room.finished_room_sids if sid != snapshot.room_sid)
    return stage.with_room(replace(room, room_sid=snapshot.room_sid, finished_room_sids=finished))


def _correct_participant(
    stage: Stage, participant: Participant, snapshot: RoomCompared, origin: Origin
) -> Decision:
    user_id = participant.user_id
    member = stage.member_or_empty(user_id)
    is_unchanged = member.has_rights_in_sync and member.desired_version <= snapshot.version
    if stage.badge_of(user_id) is None:
        is_suspect = is_unchanged and permissions.exceeds_viewer(participant)
        return Decision(presence.mark_suspect(stage, user_id) if is_suspect else stage)
    decision = Decision(stage)
    if member.presence.changed_at_offset < snapshot.position:
        decision = connections.mark_connected(stage, participant, origin)
    if is_unchanged and not permissions.has_desired_rights(stage, participant):
        return decision._replace(stage=mark_out_of_sync(decision.stage, user_id))
    return decision


def _disconnect_absent(
    stage: Stage, snapshot: RoomCompared, origin: Origin, timeouts: SeatTimeouts
) -> Decision:
    """Mark the members that two snapshots in a row do not show as disconnected."""
    decision = Decision(stage)
    listed = {participant.user_id for participant in snapshot.participants}
    for member in stage.sorted_members:
        before = member.presence
        if (
            not before.is_connected
            or member.user_id in listed
            or before.changed_at_offset >= snapshot.position
        ):
            continue
        if before.absent_since_snapshot is None:
            marked = replace(member, presence=replace(before, absent_since_snapshot=snapshot.look_id))
            decision = Decision(decision.stage.with_members(marked), decision.events)
        elif before.absent_since_snapshot != snapshot.look_id:
            decision = decision.followed_by(
                connections.mark_disconnected(decision.stage, member, origin, timeouts)
            )
    return decision
