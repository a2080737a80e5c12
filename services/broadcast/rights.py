"""Which LiveKit permissions belong to a role (contract, section 7)."""

from collections.abc import Iterable

from schemas.events import Permissions
from schemas.signals import Participant
from schemas.types import Badge, MuteSource, TrackSource
from services.broadcast.state import Stage

# LiveKit compares the sources in order: always these, in the order of its own enumeration.
SOURCES: tuple[TrackSource, ...] = ("camera", "microphone", "screen_share", "screen_share_audio")
_COVERED: dict[MuteSource, tuple[TrackSource, ...]] = {
    "camera": ("camera",),
    "microphone": ("microphone",),
    "screen_share": ("screen_share", "screen_share_audio"),
}

VIEWER = Permissions(can_publish=False, can_publish_data=False, can_subscribe=True, can_publish_sources=())


def covered(source: MuteSource) -> tuple[TrackSource, ...]:
    """Return LiveKit's sources that a mute of this source is about."""
    return _COVERED[source]


def permissions(badge: Badge | None, hard_muted: Iterable[MuteSource] = ()) -> Permissions:
    """Return all that the wearer of a badge may do, without what is muted for good."""
    if badge is None:
        return VIEWER
    silent = {covering for source in hard_muted for covering in _COVERED[source]}
    sources = tuple(source for source in SOURCES if source not in silent)
    return Permissions(
        # To LiveKit an empty list of sources means every source.
        can_publish=bool(sources),
        can_publish_data=True,
        can_subscribe=True,
        can_publish_sources=sources,
    )


def hard_muted(stage: Stage, user_id: str) -> tuple[MuteSource, ...]:
    """Return the sources that are muted for good: a co-host's, never the host's."""
    seat = stage.member(user_id).seat
    return seat.hard_muted if seat is not None and stage.badge(user_id) == "coHost" else ()


def wanted(stage: Stage, user_id: str) -> Permissions:
    """Return what a user may do in this room now."""
    return permissions(stage.badge(user_id), hard_muted(stage, user_id))


def match(stage: Stage, participant: Participant) -> bool:
    """Say whether somebody has exactly the rights and the badge that are theirs."""
    return (
        participant.permissions == wanted(stage, participant.user_id)
        and participant.badge == (stage.badge(participant.user_id) or "")
        and not participant.can_update_metadata
    )


def suspicious(participant: Participant) -> bool:
    """Say whether somebody has more than a viewer may have.

    Data counts: the stage's own messages travel as data.
    """
    had = participant.permissions
    return bool(
        had.can_publish
        or had.can_publish_data
        or participant.badge
        or participant.can_update_metadata
        or participant.tracks
    )
