"""Map LiveKit's protobuf messages to our models."""

from collections.abc import Iterable
from typing import Any

from livekit.protocol import models, room
from livekit.protocol import webhook as webhooks

from schemas import signals
from schemas.events import Permissions
from schemas.signals import Participant, Track
from schemas.types import TrackSource
from services.broadcast import rights

BADGE = "cohost.badge"

_ON_THE_WAY = frozenset({models.ParticipantInfo.State.JOINING, models.ParticipantInfo.State.JOINED})
_MOVED = frozenset(
    {
        models.DisconnectReason.DUPLICATE_IDENTITY,
        models.DisconnectReason.SERVER_SHUTDOWN,
        models.DisconnectReason.MIGRATION,
    }
)


def participant(info: models.ParticipantInfo) -> Participant:
    """Return a participant as LiveKit showed it."""
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
        connected=info.state not in _ON_THE_WAY,
    )


def participants(listed: room.ListParticipantsResponse) -> list[Participant]:
    """Return a room's participants, without those that have no identity."""
    return [participant(info) for info in listed.participants if text(info.identity)]


def rooms(listed: room.ListRoomsResponse) -> dict[str, str]:
    """Return the sids of rooms by name."""
    return {info.name: info.sid for info in listed.rooms}


def _sources(numbers: Iterable[int]) -> tuple[TrackSource, ...]:
    given = {_source(number) for number in numbers}
    return tuple(source for source in rights.SOURCES if source in given)


def _track(info: models.TrackInfo) -> Track:
    return Track(sid=info.sid, source=_source(info.source), muted=info.muted)


def _source(number: int) -> Any:
    try:
        return models.TrackSource.Name(number).lower()
    except ValueError:
        # A newer server may have sources that this client has no name for.
        return "unknown"


def sight(event: webhooks.WebhookEvent) -> signals.WebhookReport | None:
    """Return a webhook's report; None if it is irrelevant here."""
    if event.event == "room_finished":
        return signals.RoomFinished(room_id=event.room.name, room_sid=event.room.sid)
    if not text(event.participant.identity):
        return None
    where = {"room_id": event.room.name, "room_sid": event.room.sid}
    about = {**where, "user_id": text(event.participant.identity), "sid": event.participant.sid}
    if event.event == "participant_joined":
        # LiveKit sends it once the media is connected, whatever state the event carries.
        who = participant(event.participant).model_copy(update={"connected": True})
        return signals.ParticipantJoined(**where, participant=who)
    if event.event == "track_published":
        return signals.TrackPublished(**about, track=_track(event.track))
    if event.event == "track_unpublished":
        return signals.TrackUnpublished(**about, track_sid=event.track.sid)
    return _left(event, about)


def _left(event: webhooks.WebhookEvent, who: Any) -> signals.ParticipantLeft | None:
    if event.event not in ("participant_left", "participant_connection_aborted"):
        return None
    moved = event.participant.disconnect_reason in _MOVED
    return signals.ParticipantLeft(**who, reason="moved" if moved else "departed")


def text(said: str) -> str:
    """Return a text without NUL characters, which no record may contain."""
    return said.replace("\x00", "")
