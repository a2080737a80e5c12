"""LiveKit's answers and webhooks in this project's own words."""

from collections.abc import Iterable
from typing import Any

from livekit.protocol import models
from livekit.protocol import webhook as webhooks

from schemas import signals
from schemas.events import Permissions
from schemas.signals import Participant, Track
from schemas.types import TrackSource
from services.broadcast import rights

BADGE = "cohost.badge"

_MOVED = frozenset(
    {
        models.DisconnectReason.DUPLICATE_IDENTITY,
        models.DisconnectReason.SERVER_SHUTDOWN,
        models.DisconnectReason.MIGRATION,
    }
)


def participant(info: models.ParticipantInfo) -> Participant:
    """Return a participant as LiveKit showed them."""
    had = info.permission
    return Participant(
        user_id=text(info.identity),
        sid=info.sid,
        permissions=Permissions(
            can_publish=had.can_publish,
            can_publish_data=had.can_publish_data,
            can_subscribe=had.can_subscribe,
            can_publish_sources=_sources(had.can_publish_sources),
        ),
        can_update_metadata=had.can_update_metadata,
        badge=text(info.attributes.get(BADGE, "")),
        tracks=tuple(_track(track) for track in info.tracks),
    )


def _sources(numbers: Iterable[int]) -> tuple[TrackSource, ...]:
    given = {models.TrackSource.Name(number).lower() for number in numbers}
    return tuple(source for source in rights.SOURCES if source in given)


def _track(info: models.TrackInfo) -> Track:
    source: Any = models.TrackSource.Name(info.source).lower()
    return Track(sid=info.sid, source=source, muted=info.muted)


def sight(event: webhooks.WebhookEvent) -> signals.Sight | None:
    """Return what a webhook tells, None if that is of no concern here."""
    if event.event == "room_finished":
        return signals.RoomFinished(room_id=event.room.name, room_sid=event.room.sid)
    if not event.participant.identity:
        return None
    room = {"room_id": event.room.name, "room_sid": event.room.sid}
    who = {**room, "user_id": text(event.participant.identity), "sid": event.participant.sid}
    if event.event == "participant_joined":
        return signals.ParticipantJoined(**room, participant=participant(event.participant))
    if event.event == "track_published":
        return signals.TrackPublished(**who, track=_track(event.track))
    if event.event == "track_unpublished":
        return signals.TrackUnpublished(**who, track_sid=event.track.sid)
    return _left(event, who)


def _left(event: webhooks.WebhookEvent, who: Any) -> signals.ParticipantLeft | None:
    if event.event not in ("participant_left", "participant_connection_aborted"):
        return None
    moved = event.participant.disconnect_reason in _MOVED
    return signals.ParticipantLeft(**who, reason="moved" if moved else "departed")


def text(said: str) -> str:
    """Return a text without what no record may carry."""
    return said.replace("\x00", "")
