"""Map LiveKit's protobuf messages to our models."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from livekit.protocol import egress, models, room
from livekit.protocol import webhook as webhooks

from cohost_schemas import signals, timestamps
from cohost_schemas.events import Permissions
from cohost_schemas.signals import Participant, Track
from cohost_schemas.types import RecordingStatus, TrackSource, is_stored_id
from services.broadcast.domain import permissions

BADGE_ATTRIBUTE = "cohost.badge"

_TRACK_KINDS: dict[int, Any] = {models.TrackType.AUDIO: "audio", models.TrackType.VIDEO: "video"}
_RECORDING_STATUSES: dict[int, RecordingStatus] = {
    egress.EGRESS_COMPLETE: "complete",
    egress.EGRESS_LIMIT_REACHED: "complete",
    egress.EGRESS_FAILED: "failed",
    egress.EGRESS_ABORTED: "aborted",
}
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
        permissions=_to_permissions(
            permission.can_publish,
            permission.can_publish_data,
            permission.can_subscribe,
            tuple(permission.can_publish_sources),
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


# Cached: few different ones are set on all participants.
@lru_cache(maxsize=256)
def _to_permissions(
    can_publish: bool,  # noqa: FBT001 - LiveKit's fields
    can_publish_data: bool,  # noqa: FBT001
    can_subscribe: bool,  # noqa: FBT001
    sources: tuple[int, ...],
) -> Permissions:
    return Permissions(
        can_publish=can_publish,
        can_publish_data=can_publish_data,
        can_subscribe=can_subscribe,
        can_publish_sources=_to_sources(sources),
    )


def _to_sources(numbers: Iterable[int]) -> tuple[TrackSource, ...]:
    given = {_to_source(number) for number in numbers}
    return tuple(source for source in permissions.ALL_SOURCES if source in given)


def _to_track(info: models.TrackInfo) -> Track:
    return Track(
        sid=info.sid,
        source=_to_source(info.source),
        muted=info.muted,
        kind=_TRACK_KINDS.get(info.type),
    )


def _to_source(number: int) -> Any:
    try:
        return models.TrackSource.Name(number).lower()
    except ValueError:
        # A newer server may have sources that this client has no name for.
        return "unknown"


def to_webhook_report(event: webhooks.WebhookEvent) -> signals.WebhookReport | None:
    """Return a webhook's report; None if it is irrelevant here."""
    if event.event == "egress_ended":
        return _to_egress_ended(event.egress_info)
    return _to_room_report(event) if is_stored_id(event.room.name) else None


def _to_room_report(event: webhooks.WebhookEvent) -> signals.WebhookReport | None:
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


def _to_egress_ended(info: egress.EgressInfo) -> signals.EgressEnded | None:
    status, egress_id = _RECORDING_STATUSES.get(info.status), clean_text(info.egress_id)
    if status is None or not egress_id or not is_stored_id(info.room_name):
        return None
    return signals.EgressEnded(
        room_id=info.room_name,
        egress_id=egress_id,
        status=status,
        files=tuple(clean_text(file.location) for file in info.file_results),
        started_at=_to_timestamp(info.started_at),
        ended_at=_to_timestamp(info.ended_at),
    )


def _to_timestamp(nanoseconds: int) -> str | None:
    return timestamps.from_ms(nanoseconds // 1_000_000) if nanoseconds else None


def clean_text(value: str) -> str:
    """Return a text without NUL characters, which no record may contain."""
    return value.replace("\x00", "")
