"""Map LiveKit's protobuf messages to our models."""

from collections.abc import Iterable
from typing import Any

from livekit.protocol import models, room
from livekit.protocol import webhook as webhooks

from cohost_schemas import signals
from cohost_schemas.events import Permissions
from cohost_schemas.signals import Participant, Track
from cohost_schemas.types import TrackSource
from services.broadcast.domain import permissions

BADGE_ATTRIBUTE = "cohost.badge"

_JOINING_STATES = frozenset({models.ParticipantInfo.State.JOINING, models.ParticipantInfo.State.JOINED})
_MOVED_REASONS = frozenset(
    {
        models.DisconnectReason.DUPLICATE_IDENTITY,
        models.DisconnectReason.SERVER_SHUTDOWN,
        models.DisconnectReason.MIGRATION,
    }
)


def to_participant(info: models.ParticipantInfo) -> Participant:
    """Return a participant as LiveKit showed it."""
    permission = info.permission
    return Participant(
        user_id=clean_text(info.identity),
        sid=info.sid,
        permissions=Permissions(
            can_publish=permission.can_publish,
            can_publish_data=permission.can_publish_data,
            can_subscribe=permission.can_subscribe,
            can_publish_sources=_to_sources(permission.can_publish_sources),
        ),
        can_update_metadata=permission.can_update_metadata,
        badge=clean_text(info.attributes.get(BADGE_ATTRIBUTE, "")),
        tracks=tuple(_to_track(track) for track in info.tracks),
        connected=info.state not in _JOINING_STATES,
    )


def to_kind(word: str) -> int:
    """Return LiveKit's number of a kind of participants; to LiveKit an unknown word is the standard kind."""
    kinds = models.ParticipantInfo.Kind
    return kinds.Value(word.upper()) if word.upper() in kinds.keys() else kinds.STANDARD  # noqa: SIM118


def to_room_sids(response: room.ListRoomsResponse) -> dict[str, str]:
    """Return the sids of rooms by name."""
    return {info.name: info.sid for info in response.rooms}


def _to_sources(numbers: Iterable[int]) -> tuple[TrackSource, ...]:
    given = {_to_source(number) for number in numbers}
    return tuple(source for source in permissions.ALL_SOURCES if source in given)


def _to_track(info: models.TrackInfo) -> Track:
    return Track(sid=info.sid, source=_to_source(info.source), muted=info.muted)


def _to_source(number: int) -> Any:
    try:
        return models.TrackSource.Name(number).lower()
    except ValueError:
        # A newer server may have sources that this client has no name for.
        return "unknown"


def to_webhook_report(event: webhooks.WebhookEvent) -> signals.WebhookReport | None:
    """Return a webhook's report; None if it is irrelevant here."""
    if event.event == "room_finished":
        return signals.RoomFinished(room_id=event.room.name, room_sid=event.room.sid)
    if not clean_text(event.participant.identity):
        return None
    room_fields = {"room_id": event.room.name, "room_sid": event.room.sid}
    participant_fields = {
        **room_fields,
        "user_id": clean_text(event.participant.identity),
        "sid": event.participant.sid,
    }
    if event.event == "participant_joined":
        # LiveKit sends it once the media is connected, whatever state the event carries.
        joined = to_participant(event.participant).model_copy(update={"connected": True})
        return signals.ParticipantJoined(**room_fields, participant=joined)
    if event.event == "track_published":
        return signals.TrackPublished(**participant_fields, track=_to_track(event.track))
    if event.event == "track_unpublished":
        return signals.TrackUnpublished(**participant_fields, track_sid=event.track.sid)
    return _to_participant_left(event, participant_fields)


def _to_participant_left(
    event: webhooks.WebhookEvent, participant_fields: Any
) -> signals.ParticipantLeft | None:
    if event.event not in ("participant_left", "participant_connection_aborted"):
        return None
    moved = event.participant.disconnect_reason in _MOVED_REASONS
    return signals.ParticipantLeft(**participant_fields, reason="moved" if moved else "departed")


def clean_text(value: str) -> str:
    """Return a text without NUL characters, which no record may contain."""
    return value.replace("\x00", "")
