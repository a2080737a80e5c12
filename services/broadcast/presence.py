"""Apply LiveKit's webhooks to a stage: connections and tracks of hosts and co-hosts, and suspects.

The participant's sid orders webhooks: a late webhook does not revive a connection that ended. The same
webhook may arrive more than once, and late, because LiveKit may send each one to every copy of the service.
"""

from dataclasses import replace
from typing import assert_never

from schemas import timestamps
from schemas.events import CoHostConnected, CoHostDisconnected, CoHostReconnected
from schemas.signals import (
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    RoomFinished,
    TrackPublished,
    TrackUnpublished,
    WebhookReport,
)
from services.broadcast import rights
from services.broadcast.change import Cause, Change
from services.broadcast.state import Member, Patience, Presence, Stage, wish

_FINISHED = 4
"""How many sids of finished LiveKit rooms are kept."""

_ENDED = 8
"""How many sids of a user's ended connections are kept."""

_HEARD = 64
"""How many ids of webhooks are kept to detect repetitions."""


def decide(stage: Stage, sight: WebhookReport, cause: Cause, patience: Patience) -> Change:
    """Return the decision on a webhook; a repeated one changes nothing."""
    if cause.id in stage.room.heard:
        return Change(stage)
    change = _decide(stage, sight, cause, patience)
    if change.stage == stage:
        return change
    # Webhooks without effect are not kept: in a large room they would push out the ids of the others.
    room = change.stage.room
    heard = replace(room, heard=(*room.heard, cause.id)[-_HEARD:])
    return change._replace(stage=change.stage.with_room(heard))


def _decide(stage: Stage, sight: WebhookReport, cause: Cause, patience: Patience) -> Change:
    match sight:
        case ParticipantJoined():
            return _joined(stage, sight, cause)
        case ParticipantLeft():
            return _left(stage, sight, cause, patience)
        case TrackPublished():
            return _track_published(stage, sight, cause)
        case TrackUnpublished():
            return _track_unpublished(stage, sight, cause)
        case RoomFinished():
            return Change(room_finished(stage, sight.room_sid, cause))
        case _:
            assert_never(sight)


def _joined(stage: Stage, said: ParticipantJoined, cause: Cause) -> Change:
    """Record a connection, and have the rights applied again if they are not the desired ones."""
    if said.room_sid in stage.room.finished:
        return Change(stage)
    if not stage.room.open:
        return Change(unwelcome(stage))
    participant = said.participant
    here = stage
    if stage.room.room_sid != said.room_sid:
        here = stage.with_room(replace(stage.room, room_sid=said.room_sid, named=cause.offset))
    if here.badge(participant.user_id) is None:
        return Change(suspect(here, participant.user_id) if rights.suspicious(participant) else stage)
    change = seen(here, participant, cause)
    return (
        change
        if rights.match(here, participant)
        else change._replace(stage=wish(change.stage, participant.user_id))
    )


def _left(stage: Stage, said: ParticipantLeft, cause: Cause, patience: Patience) -> Change:
    """Record that a connection ended, unless another connection of the same user replaces it."""
    member = stage.members.get(said.user_id)
    if member is None or not stage.room.open:
        return Change(stage)
    here = member.presence.connected and member.presence.sid == said.sid
    if said.reason == "moved":
        return Change(stage.with_members(_awaited(member, cause)) if here else stage)
    if here:
        return departed(stage, member, cause, patience)
    presence = replace(member.presence, ended=_ended(member.presence, said.sid))
    return Change(stage.with_members(replace(member, presence=presence)))


def _track_published(stage: Stage, said: TrackPublished, cause: Cause) -> Change:
    """Record a track; check a publisher without a seat, and apply rights again if they forbid the track."""
    if said.room_sid in stage.room.finished:
        return Change(stage)
    if not stage.room.open:
        return Change(unwelcome(stage))
    if stage.badge(said.user_id) is None:
        return Change(suspect(stage, said.user_id))
    member = stage.member(said.user_id)
    if member.presence.sid != said.sid:
        return Change(stage)
    others = tuple(track for track in member.presence.tracks if track.sid != said.track.sid)
    presence = replace(member.presence, tracks=(*others, said.track), changed=cause.offset)
    following = stage.with_members(replace(member, presence=presence))
    allowed = rights.wanted(stage, said.user_id).can_publish_sources
    known = said.track.source in rights.SOURCES
    return Change(wish(following, said.user_id) if known and said.track.source not in allowed else following)


def _track_unpublished(stage: Stage, said: TrackUnpublished, cause: Cause) -> Change:
    """Remove a track from its participant's presence."""
    member = stage.members.get(said.user_id)
    if member is None or member.presence.sid != said.sid:
        return Change(stage)
    left_over = tuple(track for track in member.presence.tracks if track.sid != said.track_sid)
    presence = replace(member.presence, tracks=left_over, changed=cause.offset)
    return Change(stage.with_members(replace(member, presence=presence)))


def room_finished(stage: Stage, room_sid: str, cause: Cause) -> Stage:
    """Record that the LiveKit room with this sid ended, and with it every connection.

    That disconnects nobody yet: a participant who left was reported before, and a server that restarts ends
    its rooms too. Participants that the next snapshot does not show count as disconnected.
    """
    room = stage.room
    if room_sid in room.finished:
        return stage
    over = replace(room, finished=(*room.finished, room_sid)[-_FINISHED:], named=cause.offset)
    if room.room_sid not in (None, room_sid):
        return stage.with_room(over)
    connected = [member for member in stage.in_order if room.open and member.presence.connected]
    following = stage.with_room(replace(over, room_sid=None))
    return following.with_members(*(_awaited(member, cause) for member in connected))


def seen(stage: Stage, participant: Participant, cause: Cause) -> Change:
    """Record that a host or co-host is connected."""
    member = stage.member(participant.user_id)
    before = member.presence
    if participant.sid in before.ended or not participant.connected:
        return Change(stage)
    if before.connected and before.sid == participant.sid:
        if before.tracks == participant.tracks and before.missing is None:
            return Change(stage)
        again = replace(before, tracks=participant.tracks, missing=None, changed=cause.offset)
        return Change(stage.with_members(replace(member, presence=again)))
    presence = Presence(
        "connected",
        participant.sid,
        ended=before.ended,
        tracks=participant.tracks,
        changed=cause.offset,
    )
    seat = replace(member.seat, no_show_at=None) if member.seat is not None else None
    following = stage.with_members(replace(member, presence=presence, seat=seat))
    return Change(following, _connected(stage, member, cause))


def departed(stage: Stage, member: Member, cause: Cause, patience: Patience) -> Change:
    """Record that a host or co-host disconnected, and start the grace of a co-host's seat."""
    before = member.presence
    waits = (
        stage.badge(member.user_id) == "coHost" and member.seat is not None and member.seat.release is None
    )
    grace_ends_at = timestamps.add_seconds(cause.at, patience.grace) if waits else None
    presence = Presence(
        "disconnected",
        ended=_ended(before, before.sid),
        grace_ends_at=grace_ends_at,
        changed=cause.offset,
    )
    following = stage.with_members(replace(member, presence=presence))
    if member.seat is None or grace_ends_at is None:
        return Change(following)
    disconnected = CoHostDisconnected(
        room_id=stage.room.room_id,
        user_id=member.user_id,
        invitation_id=member.seat.invitation_id,
        at=cause.at,
        grace_ends_at=grace_ends_at,
    )
    return Change(following, (disconnected,))


def suspect(stage: Stage, user_id: str) -> Stage:
    """Have a user without a seat checked on LiveKit, and their rights revoked.

    A user whose rights are already being revoked is no intruder and is not marked.
    """
    member = stage.member(user_id)
    if member.settled:
        stage = stage.with_members(replace(member, suspect=True))
    return wish(stage, user_id)


def unwelcome(stage: Stage, *, anew: bool = False) -> Stage:
    """Have a LiveKit room deleted that exists although the room is closed.

    With `again` also when a deletion is pending: it may have reached LiveKit before the room was created.
    """
    if stage.room.deletion is not None and not anew:
        return stage
    version = stage.room.version + 1
    return stage.with_room(replace(stage.room, version=version, deletion=version))


def _awaited(member: Member, cause: Cause) -> Member:
    """Mark a member as possibly absent: disconnected if the next snapshot does not show them."""
    return replace(member, presence=replace(member.presence, missing=cause.id, changed=cause.offset))


def _ended(presence: Presence, sid: str | None) -> tuple[str, ...]:
    """Return the sids of the ended connections including this one, latest last."""
    if sid is None or sid in presence.ended:
        return presence.ended
    return (*presence.ended, sid)[-_ENDED:]


def _connected(stage: Stage, member: Member, cause: Cause) -> tuple[CoHostConnected | CoHostReconnected, ...]:
    if stage.badge(member.user_id) != "coHost" or member.seat is None or member.seat.release is not None:
        return ()
    if member.presence.connected:
        return ()
    kind = CoHostConnected if member.presence.state == "never" else CoHostReconnected
    return (
        kind(
            room_id=stage.room.room_id,
            user_id=member.user_id,
            invitation_id=member.seat.invitation_id,
            at=cause.at,
        ),
    )
