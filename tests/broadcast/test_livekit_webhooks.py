"""LiveKit's webhooks as the client reads them."""

import base64
import hashlib
import json
from typing import Any

import pytest
from livekit import api
from prometheus_client import CollectorRegistry

from cohost_schemas import signals
from cohost_schemas.events import Permissions
from services.broadcast.domain import permissions
from services.broadcast.livekit.client import LiveKitClient, UnsignedWebhook
from services.broadcast.metrics import LiveKitMetrics
from tests.broadcast.test_livekit_client import KEY, SECRET, create_client

SOURCES = ["CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO"]
CO_HOST = permissions.for_badge("coHost")


def signed_webhook(
    event: dict[str, Any], *, secret: str = SECRET, key: str = KEY, body: bytes | None = None
) -> tuple[bytes, str]:
    sent = json.dumps(event).encode()
    digest = base64.b64encode(hashlib.sha256(sent).digest()).decode()
    token = api.AccessToken(key, secret).with_sha256(digest).to_jwt()
    return body if body is not None else sent, token


ROOM = {"name": "room", "sid": "RM_1"}
BOB = {"identity": "bob", "sid": "PA_1"}


def reported_by(event: dict[str, Any]) -> Any:
    return create_client("ws://nowhere").read_webhook(*signed_webhook(event))


def test_a_join_is_reported_with_permissions_badge_and_tracks() -> None:
    event = {
        "event": "participant_joined",
        "id": "EV_1",
        "room": ROOM,
        "participant": {
            **BOB,
            "permission": {
                "canSubscribe": True,
                "canPublish": True,
                "canPublishSources": ["MICROPHONE", "CAMERA"],
            },
            "attributes": {"cohost.badge": "host", "color": "red"},
            "tracks": [
                {"sid": "TR_1", "type": "AUDIO", "source": "SCREEN_SHARE_AUDIO", "muted": True},
                {"sid": "TR_2", "type": "DATA"},
            ],
        },
    }
    participant = signals.Participant(
        user_id="bob",
        sid="PA_1",
        permissions=Permissions(
            can_publish=True,
            can_publish_data=False,
            can_subscribe=True,
            can_publish_sources=("camera", "microphone"),
        ),
        can_update_metadata=False,
        badge="host",
        tracks=(
            signals.Track(sid="TR_1", source="screen_share_audio", muted=True, kind="audio"),
            signals.Track(sid="TR_2", source="unknown", muted=False),
        ),
    )
    joined = signals.ParticipantJoined(room_id="room", room_sid="RM_1", participant=participant)
    assert reported_by(event) == ("EV_1", joined)


@pytest.mark.parametrize(
    ("name", "disconnect", "reason"),
    [
        ("participant_left", "CLIENT_INITIATED", "departed"),
        ("participant_left", "CONNECTION_TIMEOUT", "departed"),
        ("participant_left", "PARTICIPANT_REMOVED", "departed"),
        ("participant_left", "DUPLICATE_IDENTITY", "moved"),
        ("participant_left", "SERVER_SHUTDOWN", "moved"),
        ("participant_left", "MIGRATION", "moved"),
        ("participant_connection_aborted", "JOIN_FAILURE", "departed"),
    ],
)
def test_a_disconnect_is_a_departure_or_a_move(name: str, disconnect: str, reason: Any) -> None:
    event = {
        "event": name,
        "id": "EV_1",
        "room": ROOM,
        "participant": {**BOB, "disconnectReason": disconnect},
    }
    left = signals.ParticipantLeft(room_id="room", room_sid="RM_1", user_id="bob", sid="PA_1", reason=reason)
    assert reported_by(event) == ("EV_1", left)


def test_a_track_of_an_unknown_source_is_reported() -> None:
    shown = {"sid": "TR_1", "source": 99, "type": 99}
    about = {"id": "EV_1", "room": ROOM, "participant": BOB, "track": shown}
    track = signals.Track(sid="TR_1", source="unknown", muted=False)
    assert reported_by({"event": "track_published", **about})[1].track == track


def test_tracks_and_the_end_of_the_room_are_reported() -> None:
    shown = {"sid": "TR_1", "source": "CAMERA", "type": "VIDEO"}
    about = {"id": "EV_1", "room": ROOM, "participant": BOB, "track": shown}
    track = signals.Track(sid="TR_1", source="camera", muted=False, kind="video")
    where = {"room_id": "room", "room_sid": "RM_1"}
    assert reported_by({"event": "track_published", **about})[1] == signals.TrackPublished(
        **where, user_id="bob", sid="PA_1", track=track
    )
    assert reported_by({"event": "track_unpublished", **about})[1] == signals.TrackUnpublished(
        **where, user_id="bob", sid="PA_1", track_sid="TR_1"
    )
    assert reported_by({"event": "room_finished", **about})[1] == signals.RoomFinished(**where)


@pytest.mark.parametrize(
    ("livekit_status", "status"),
    [
        ("EGRESS_COMPLETE", "complete"),
        ("EGRESS_LIMIT_REACHED", "complete"),
        ("EGRESS_FAILED", "failed"),
        ("EGRESS_ABORTED", "aborted"),
    ],
)
def test_a_recordings_end_is_reported_with_its_files_and_times(livekit_status: str, status: Any) -> None:
    info = {
        "egressId": "EG_1",
        "roomName": "room",
        "status": livekit_status,
        "startedAt": "1767268800123456789",
        "endedAt": "1767272400999999999",
        "fileResults": [{"filename": "a.mp4", "location": "s3://bucket/a.mp4"}, {"location": "s3://b"}],
    }
    assert reported_by({"event": "egress_ended", "id": "EV_1", "egressInfo": info}) == (
        "EV_1",
        signals.EgressEnded(
            room_id="room",
            egress_id="EG_1",
            status=status,
            files=("s3://bucket/a.mp4", "s3://b"),
            started_at="2026-01-01T12:00:00.123Z",
            ended_at="2026-01-01T13:00:00.999Z",
        ),
    )


def test_a_recording_that_never_began_has_no_files_and_times() -> None:
    info = {"egressId": "EG_1", "roomName": "room", "status": "EGRESS_FAILED", "startedAt": "0"}
    assert reported_by({"event": "egress_ended", "id": "EV_1", "egressInfo": info})[1] == signals.EgressEnded(
        room_id="room", egress_id="EG_1", status="failed", files=(), started_at=None, ended_at=None
    )


@pytest.mark.parametrize(
    "event",
    [
        {"event": "room_started", "room": ROOM},
        {"event": "egress_ended", "room": ROOM},
        {"event": "egress_ended", "egressInfo": {"egressId": "EG_1", "status": "EGRESS_COMPLETE"}},
        {"event": "egress_ended", "egressInfo": {"roomName": "room", "status": "EGRESS_COMPLETE"}},
        {"event": "egress_ended", "egressInfo": {"egressId": "EG_1", "roomName": "room"}},
        {"event": "egress_started", "egressInfo": {"roomName": "room"}},
        {"event": "of_the_future", "room": ROOM, "participant": BOB, "unknown": [1]},
        {"event": "participant_joined", "room": {"name": "not one of ours"}, "participant": BOB},
        {"event": "participant_joined", "room": ROOM},
        {"event": "participant_joined", "room": ROOM, "participant": {"identity": "\u0000"}},
        {"event": "participant_joined", "room": "a room of another shape"},
        {},
    ],
)
def test_unused_webhooks_are_ignored(event: dict[str, Any]) -> None:
    assert reported_by(event) is None


@pytest.mark.parametrize(
    ("body", "header"),
    [
        signed_webhook(
            {"event": "room_finished", "room": ROOM}, secret="another secret of more than thirty bytes"
        ),
        signed_webhook({"event": "room_finished", "room": ROOM}, key="another key"),
        signed_webhook({"event": "room_finished", "room": ROOM}, body=b'{"event": "room_finished"}'),
        (b"{}", ""),
        (b"{}", "Bearer"),
        (b"\xff", signed_webhook({})[1]),
        (b"{}", api.AccessToken(KEY, SECRET).to_jwt()),
    ],
)
def test_webhooks_without_livekits_signature_are_refused(body: bytes, header: str) -> None:
    with pytest.raises(UnsignedWebhook):
        create_client("ws://nowhere").read_webhook(body, header)


@pytest.mark.parametrize("name", ["participant_joined", "participant_left"])
def test_webhooks_of_participants_that_are_no_people_are_ignored(name: str) -> None:
    client = LiveKitClient(
        "http://127.0.0.1", KEY, SECRET, 0.5, LiveKitMetrics(CollectorRegistry()), other_kinds=("agent",)
    )
    left_alone = {"event": name, "id": "EV_1", "room": ROOM, "participant": {**BOB, "kind": "AGENT"}}
    assert client.read_webhook(*signed_webhook(left_alone)) is None
