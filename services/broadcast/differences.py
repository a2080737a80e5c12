"""Correct drift between a stage and a snapshot of its LiveKit room: webhooks get lost, and rights drift."""

from dataclasses import replace

from schemas.signals import Participant, RoomCompared
from services.broadcast import presence, rights
from services.broadcast.change import Cause, Change
from services.broadcast.state import Patience, Stage, wish


def compared(stage: Stage, said: RoomCompared, cause: Cause, patience: Patience) -> Change:
    """Correct what differs, except where something changed since the snapshot was taken."""
    if not stage.room.open:
        stale = said.room_sid is None or said.version != stage.room.version
        return Change(stage if stale else presence.unwelcome(stage))
    if stage.room.deletion is not None:
        return Change(stage)
    change = Change(_named(stage, said))
    for participant in said.participants:
        change = change.then(_one(change.stage, participant, said, cause))
    return change.then(_absent(change.stage, said, cause, patience))


def _named(stage: Stage, said: RoomCompared) -> Stage:
    """Take over the sid of the present LiveKit room."""
    room = stage.room
    if said.room_sid is None or said.version != room.version or room.named >= said.position:
        return stage
    if room.room_sid == said.room_sid and said.room_sid not in room.finished:
        return stage
    finished = tuple(sid for sid in room.finished if sid != said.room_sid)
    return stage.with_room(replace(room, room_sid=said.room_sid, finished=finished))


def _one(stage: Stage, participant: Participant, said: RoomCompared, cause: Cause) -> Change:
    user_id = participant.user_id
    member = stage.member(user_id)
    unchanged = member.settled and member.version <= said.version
    if stage.badge(user_id) is None:
        taken = unchanged and rights.suspicious(participant)
        return Change(presence.suspect(stage, user_id) if taken else stage)
    change = Change(stage)
    if member.presence.changed < said.position:
        change = presence.seen(stage, participant, cause)
    if unchanged and not rights.match(stage, participant):
        return change._replace(stage=wish(change.stage, user_id))
    return change


def _absent(stage: Stage, said: RoomCompared, cause: Cause, patience: Patience) -> Change:
    """Disconnect the members that two snapshots in a row do not show."""
    change = Change(stage)
    listed = {participant.user_id for participant in said.participants}
    for member in stage.in_order:
        before = member.presence
        if not before.connected or member.user_id in listed or before.changed >= said.position:
            continue
        if before.missing is None:
            marked = replace(member, presence=replace(before, missing=said.look_id))
            change = Change(change.stage.with_members(marked), change.events)
        elif before.missing != said.look_id:
            change = change.then(presence.departed(change.stage, member, cause, patience))
    return change
