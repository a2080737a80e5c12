"""Change the connections and tracks of hosts and co-hosts, and announce what differs from the last events."""

from collections.abc import Iterable
from dataclasses import replace

from cohost_schemas import timestamps
from cohost_schemas.events import (
    CoHostConnected,
    CoHostDisconnected,
    CoHostMediaChanged,
    CoHostReconnected,
    HostConnected,
    HostDisconnected,
    HostReconnected,
)
from cohost_schemas.signals import Participant, Track
from services.broadcast.domain import permissions
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import Media, Member, Presence, SeatTimeouts, Stage

_MAX_ENDED_SIDS = 8
"""The number of a user's ended connections whose sids are kept."""


def mark_connected(stage: Stage, participant: Participant, origin: Origin) -> Decision:
    """Record that a host or co-host is connected, and the tracks that LiveKit showed."""
    member = stage.member_or_empty(participant.user_id)
    before = member.presence
    if participant.sid in before.ended_sids or not participant.connected:
        return Decision(stage)
    if not before.is_connected or before.sid != participant.sid:
        return connect(stage, member, participant.sid, participant.tracks, origin)
    # LiveKit lists tracks in any order.
    if {*before.tracks} == {*participant.tracks} and before.absent_since_snapshot is None:
        return Decision(stage)
    present = replace(member, presence=replace(before, absent_since_snapshot=None))
    return Decision(with_tracks(stage, present, participant.tracks, origin))


def connect(stage: Stage, member: Member, sid: str, tracks: tuple[Track, ...], origin: Origin) -> Decision:
    """Record a new connection of a host or co-host."""
    presence = Presence(
        "connected",
        sid,
        ended_sids=member.presence.ended_sids,
        tracks=tracks,
        changed_at_offset=origin.offset,
        since=member.presence.since if member.presence.is_connected else origin.at,
    )
    seat = member.seat
    if seat is not None and seat.no_show_at is not None:
        seat = replace(seat, no_show_at=None)
    next_stage = stage.with_members(replace(member, presence=presence, seat=seat))
    return Decision(next_stage, _connection_events(stage, member, origin))


def mark_disconnected(stage: Stage, member: Member, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    """Record that a host or co-host disconnected, and start the grace of a co-host's seat."""
    before = member.presence
    starts_grace = (
        stage.badge_of(member.user_id) == "coHost" and member.seat is not None and member.seat.release is None
    )
    grace_ends_at = timestamps.add_seconds(origin.at, timeouts.grace_seconds) if starts_grace else None
    presence = Presence(
        "disconnected",
        ended_sids=with_ended_sid(before, before.sid),
        grace_ends_at=grace_ends_at,
        changed_at_offset=origin.offset,
        since=origin.at,
    )
    next_stage = stage.with_members(replace(member, presence=presence))
    if member.seat is None or grace_ends_at is None:
        return Decision(next_stage)
    disconnected = CoHostDisconnected(
        room_id=stage.room.room_id,
        user_id=member.user_id,
        invitation_id=member.seat.invitation_id,
        at=origin.at,
        grace_ends_at=grace_ends_at,
    )
    return Decision(next_stage, (disconnected,))


def mark_tracks_muted(stage: Stage, participant: Participant, origin: Origin) -> Stage:
    """Record which tracks our calls muted: others may have come or gone meanwhile."""
    member = stage.member_or_empty(participant.user_id)
    muted = {track.sid for track in participant.tracks if track.muted}
    tracks = tuple(
        track.model_copy(update={"muted": True}) if track.sid in muted else track
        for track in member.presence.tracks
    )
    return stage if tracks == member.presence.tracks else with_tracks(stage, member, tracks, origin)


def with_tracks(stage: Stage, member: Member, tracks: tuple[Track, ...], origin: Origin) -> Stage:
    """Record the tracks of a connection."""
    presence = replace(member.presence, tracks=tracks, changed_at_offset=origin.offset)
    return stage.with_members(replace(member, presence=presence))


def with_ended_sid(presence: Presence, sid: str | None) -> tuple[str, ...]:
    """Return the sids of the ended connections including this one, latest last."""
    if sid is None or sid in presence.ended_sids:
        return presence.ended_sids
    return (*presence.ended_sids, sid)[-_MAX_ENDED_SIDS:]


def media_of(tracks: Iterable[Track]) -> Media:
    """Return the published sources and those whose tracks are all muted; unknown sources are left out."""
    listed = list(tracks)
    if not listed:
        return Media()
    published = {track.source for track in listed}
    audible = {track.source for track in listed if not track.muted}
    return Media(
        published=tuple(source for source in permissions.ALL_SOURCES if source in published),
        muted=tuple(source for source in permissions.ALL_SOURCES if source in published - audible),
    )


def with_announcements(decision: Decision, origin: Origin) -> Decision:
    """Return the decision followed by the events about what differs from the events so far.

    A closed room has none: its closing ends every connection.
    """
    if not decision.stage.room.is_open:
        return decision
    announced = decision.followed_by(_announce_host(decision.stage, origin))
    return announced.followed_by(_announce_media(announced.stage, origin))


def _connection_events(
    stage: Stage, member: Member, origin: Origin
) -> tuple[CoHostConnected | CoHostReconnected, ...]:
    if stage.badge_of(member.user_id) != "coHost" or member.seat is None or member.seat.release is not None:
        return ()
    if member.presence.is_connected:
        return ()
    event_type = CoHostConnected if member.presence.state == "never" else CoHostReconnected
    return (
        event_type(
            room_id=stage.room.room_id,
            user_id=member.user_id,
            invitation_id=member.seat.invitation_id,
            at=origin.at,
        ),
    )


def _announce_host(stage: Stage, origin: Origin) -> Decision:
    """Announce the host's first connection, its end, or a later connection."""
    room = stage.room
    announced, presence = room.announced_host_connection, stage.member_or_empty(room.host_id).presence
    event_type: type[HostConnected | HostDisconnected | HostReconnected]
    # A pending deletion, and the end of a LiveKit room, may just have ended the connection that is on record.
    is_certain = not room.is_deletion_pending and presence.absent_since_snapshot is None
    if presence.is_connected and announced != "connected" and is_certain:
        event_type = HostConnected if announced == "never" else HostReconnected
    elif presence.state == "disconnected" and announced == "connected":
        event_type = HostDisconnected
    else:
        return Decision(stage)
    event = event_type(room_id=room.room_id, user_id=room.host_id, at=origin.at)
    return Decision(stage.with_room(replace(room, announced_host_connection=presence.state)), (event,))


def _announce_media(stage: Stage, origin: Origin) -> Decision:
    """Announce the media of each co-host whose tracks changed."""
    changed, events = [], []
    for member in stage.sorted_members:
        seat = member.seat
        if seat is None:
            continue
        media = media_of(member.presence.tracks)
        if seat.announced_media == media or stage.badge_of(member.user_id) != "coHost":
            continue
        has_published = seat.has_had_track or bool(media.published)
        announced = replace(seat, announced_media=media, has_published=has_published)
        changed.append(replace(member, seat=announced))
        events.append(
            CoHostMediaChanged(
                room_id=stage.room.room_id,
                user_id=member.user_id,
                invitation_id=seat.invitation_id,
                published=media.published,
                muted=media.muted,
                at=origin.at,
            )
        )
    return Decision(stage.with_members(*changed), tuple(events)) if changed else Decision(stage)
