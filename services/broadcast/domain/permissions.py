"""LiveKit permissions of each role (contract, section 7)."""

from collections.abc import Collection, Iterable
from functools import cache

from cohost_schemas.events import Permissions
from cohost_schemas.signals import Participant, Track
from cohost_schemas.types import Badge, MuteSource, TrackSource
from services.broadcast.domain.state import Member, Stage

# LiveKit compares lists of sources in order, so they are always sent in the order of its own enumeration.
ALL_SOURCES: tuple[TrackSource, ...] = ("camera", "microphone", "screen_share", "screen_share_audio")
_SOURCES_BY_MUTE: dict[MuteSource, tuple[TrackSource, ...]] = {
    "camera": ("camera",),
    "microphone": ("microphone",),
    "screen_share": ("screen_share", "screen_share_audio"),
}

_VIEWER_SUFFIX = "#viewer"

VIEWER = Permissions(can_publish=False, can_publish_data=False, can_subscribe=True, can_publish_sources=())


def muted_sources(source: MuteSource) -> tuple[TrackSource, ...]:
    """Return the LiveKit track sources that a mute of this source covers."""
    return _SOURCES_BY_MUTE[source]


def for_badge(badge: Badge | None, hard_muted: Iterable[MuteSource] = ()) -> Permissions:
    """Return the permissions of a badge, without the hard-muted sources."""
    return _without_sources(badge, frozenset(hard_muted))


@cache
def _without_sources(badge: Badge | None, hard_muted: frozenset[MuteSource]) -> Permissions:
    if badge is None:
        return VIEWER
    muted = {muted_source for source in hard_muted for muted_source in _SOURCES_BY_MUTE[source]}
    sources = tuple(source for source in ALL_SOURCES if source not in muted)
    return Permissions(
        # LiveKit takes an empty list of sources for every source.
        can_publish=bool(sources),
        can_publish_data=True,
        can_subscribe=True,
        can_publish_sources=sources,
    )


def hard_muted_sources(stage: Stage, user_id: str) -> tuple[MuteSource, ...]:
    """Return the user's hard-muted sources: a co-host's, never the host's."""
    seat = stage.member_or_empty(user_id).seat
    return seat.hard_muted if seat is not None and stage.badge_of(user_id) == "coHost" else ()


def desired_for(stage: Stage, user_id: str) -> Permissions:
    """Return the permissions that a user should have in this room now."""
    return for_badge(stage.badge_of(user_id), hard_muted_sources(stage, user_id))


def join_identity(stage: Stage, user_id: str, badge: Badge | None) -> str:
    """Return the LiveKit identity that a user joins with.

    A host or co-host who joins as a viewer gets another one than on stage, because LiveKit disconnects a
    connection when the same identity joins again. It is no id, so no user has it.
    """
    return user_id if badge == stage.badge_of(user_id) else f"{user_id}{_VIEWER_SUFFIX}"


def has_desired_rights(stage: Stage, participant: Participant) -> bool:
    """Return whether a participant has exactly the desired permissions and badge, and no track to mute."""
    return (
        participant.permissions == desired_for(stage, participant.user_id)
        and participant.badge == (stage.badge_of(participant.user_id) or "")
        and not participant.can_update_metadata
        and not tracks_to_mute(stage, participant)
    )


def tracks_to_mute(stage: Stage, participant: Participant) -> tuple[Track, ...]:
    """Return the tracks that a hard mute covers although their source is allowed."""
    hard_muted = hard_muted_sources(stage, participant.user_id)
    return tuple(track for track in disguised_tracks(participant.tracks, hard_muted) if not track.muted)


def disguised_tracks(tracks: Iterable[Track], hard_muted: Collection[MuteSource]) -> tuple[Track, ...]:
    """Return the tracks from a hard-muted microphone or camera that are published as another source."""
    if not hard_muted:
        return ()
    listed = tuple(tracks)
    shares_screen = any(track.source == "screen_share" and track.kind != "audio" for track in listed)
    return tuple(
        track
        for track in listed
        if ("microphone" in hard_muted and _may_be_microphone(track, shares_screen=shares_screen))
        or ("camera" in hard_muted and _may_be_camera(track))
    )


def has_disguised_tracks(member: Member) -> bool:
    """Return whether a hard mute covers tracks of another source, which their owner can unmute."""
    return member.seat is not None and bool(disguised_tracks(member.presence.tracks, member.seat.hard_muted))


def is_within(granted: Permissions, allowed: Permissions) -> bool:
    """Return whether permissions grant no more than the allowed ones; lists of sources are complete."""
    return (
        granted.can_publish <= allowed.can_publish
        and granted.can_publish_data <= allowed.can_publish_data
        and granted.can_subscribe <= allowed.can_subscribe
        and set(granted.can_publish_sources) <= set(allowed.can_publish_sources)
    )


def exceeds_viewer(participant: Participant) -> bool:
    """Return whether a participant has more rights than a viewer.

    Publishing data counts, because the stage's own messages are sent as data.
    """
    granted = participant.permissions
    return bool(
        granted.can_publish
        or granted.can_publish_data
        or participant.badge
        or participant.can_update_metadata
        or participant.tracks
    )


def _may_be_microphone(track: Track, *, shares_screen: bool) -> bool:
    if track.source == "screen_share_audio":
        return not shares_screen
    return track.kind == "audio" and track.source in ("camera", "screen_share")


def _may_be_camera(track: Track) -> bool:
    return track.kind == "video" and track.source in ("microphone", "screen_share_audio")
