"""LiveKit permissions of each role (contract, section 7)."""

from collections.abc import Iterable

from schemas.events import Permissions
from schemas.signals import Participant
from schemas.types import Badge, MuteSource, TrackSource
from services.broadcast.state import Stage

# LiveKit compares lists of sources in order, so they are always sent in the order of its own enumeration.
SOURCES: tuple[TrackSource, ...] = ("camera", "microphone", "screen_share", "screen_share_audio")
_COVERED: dict[MuteSource, tuple[TrackSource, ...]] = {
    "camera": ("camera",),
    "microphone": ("microphone",),
    "screen_share": ("screen_share", "screen_share_audio"),
}

VIEWER = Permissions(can_publish=False, can_publish_data=False, can_subscribe=True, can_publish_sources=())


def covered(source: MuteSource) -> tuple[TrackSource, ...]:
    """Return the LiveKit track sources that a mute of this source covers."""
    return _COVERED[source]


def permissions(badge: Badge | None, hard_muted: Iterable[MuteSource] = ()) -> Permissions:
    """Return the permissions of a badge, without the hard-muted sources."""
    if badge is None:
        return VIEWER
    silent = {covering for source in hard_muted for covering in _COVERED[source]}
    sources = tuple(source for source in SOURCES if source not in silent)
    return Permissions(
        # LiveKit takes an empty list of sources for every source.
        can_publish=bool(sources),
        can_publish_data=True,
        can_subscribe=True,
        can_publish_sources=sources,
    )


def hard_muted(stage: Stage, user_id: str) -> tuple[MuteSource, ...]:
    """Return the user's hard-muted sources: a co-host's, never the host's."""
    seat = stage.member(user_id).seat
    return seat.hard_muted if seat is not None and stage.badge(user_id) == "coHost" else ()


def wanted(stage: Stage, user_id: str) -> Permissions:
    """Return the permissions that a user should have in this room now."""
    return permissions(stage.badge(user_id), hard_muted(stage, user_id))


def match(stage: Stage, participant: Participant) -> bool:
    """Return whether a participant has exactly the desired permissions and badge."""
    return (
        participant.permissions == wanted(stage, participant.user_id)
        and participant.badge == (stage.badge(participant.user_id) or "")
        and not participant.can_update_metadata
    )


def suspicious(participant: Participant) -> bool:
    """Return whether a participant has more rights than a viewer.

    Publishing data counts, because the stage's own messages are sent as data.
    """
    had = participant.permissions
    return bool(
        had.can_publish
        or had.can_publish_data
        or participant.badge
        or participant.can_update_metadata
        or participant.tracks
    )
