"""Steps and queries for tests with real LiveKit participants: connect, publish, compare with the stage."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from livekit import api, rtc
from livekit.protocol import models

from stack import settings
from tests.broadcast.e2e.service_under_test import (
    PublishedRecord,
    ServiceUnderTest,
    livekit_api,
    new_room_id,
    wait_until,
)

SOURCES = ("camera", "microphone", "screen_share", "screen_share_audio")
CO_HOST_RIGHTS = {
    "canPublish": True,
    "canPublishData": True,
    "canSubscribe": True,
    "canPublishSources": 4,
    "badge": "coHost",
}
VIEWER_RIGHTS = {
    "canPublish": False,
    "canPublishData": False,
    "canSubscribe": True,
    "canPublishSources": 0,
    "badge": "",
}
_SOURCES_BY_MUTE = {
    "camera": {"camera"},
    "microphone": {"microphone"},
    "screen_share": {"screen_share", "screen_share_audio"},
}


@dataclass
class LiveKitClients:
    """LiveKit clients of one test, to be disconnected together."""

    connections: list[rtc.Room] = field(default_factory=list)

    async def connect_user(
        self,
        service: ServiceUnderTest,
        room_id: str,
        user_id: str,
        *,
        viewer: bool = False,
        token: str | None = None,
    ) -> rtc.Room:
        """Connect a user, with a token from the service or the given one."""
        url = service.endpoints.public_url
        if token is None:
            data = (await get_broadcast_data(service, room_id, user_id, viewer=viewer)).json()
            url, token = data["serverUrl"], data["token"]
        joined = rtc.Room()
        settings.bypass_proxies(url)
        await joined.connect(url, token)
        self.connections.append(joined)
        return joined

    async def disconnect_all(self) -> None:
        """Disconnect every client."""
        await asyncio.gather(*(joined.disconnect() for joined in self.connections), return_exceptions=True)


async def get_broadcast_data(
    service: ServiceUnderTest, room_id: str, user_id: str, *, viewer: bool = False
) -> httpx.Response:
    """Return the successful answer of `broadcast-data`; try again while LiveKit does not answer in time."""

    async def request() -> httpx.Response | None:
        answer = await service.http_get(f"/v1/rooms/{room_id}/broadcast-data{'?as=viewer' * viewer}", user_id)
        return None if is_livekit_unavailable(answer) else answer

    answer: httpx.Response = await wait_until(request)
    assert answer.status_code == 200, answer.text
    return answer


def is_livekit_unavailable(answer: httpx.Response) -> bool:
    """Return whether an answer says that LiveKit does not answer, and to try again."""
    return answer.status_code == 503 and answer.json()["reason"] == "livekit_unavailable"


async def open_room(service: ServiceUnderTest, status: str = "live") -> str:
    """Open a new room, wait for its host's badge, and return its id."""
    name = new_room_id()
    await service.publish_stage(name, status)
    await service.wait_for_records(lambda record: record.key == f"{name}/alice")
    return name


async def wait_for_badge(service: ServiceUnderTest, room_id: str, user_id: str) -> PublishedRecord:
    """Wait until a user wears a badge, and return its record."""
    found = await service.wait_for_records(
        lambda record: record.key == f"{room_id}/{user_id}" and record.data is not None
    )
    return found[-1]


async def seat_and_connect(
    service: ServiceUnderTest, clients: LiveKitClients, room_id: str, user_id: str = "bob"
) -> tuple[str, rtc.Room]:
    """Seat a user and connect them; return the invitation's id and the connection."""
    invitation_id = await service.seat_user(room_id, user_id)
    await wait_for_badge(service, room_id, user_id)
    joined = await clients.connect_user(service, room_id, user_id)
    await service.wait_for_event("CoHostConnected", room_id, user_id)
    await service.wait_for_event("GrantProvisioned", room_id, user_id)
    return invitation_id, joined


async def stage_items(service: ServiceUnderTest, room_id: str) -> dict[str, dict[str, Any]]:
    """Return the items of the stage by user id."""
    answer = await service.http_get(f"/v1/rooms/{room_id}/stage", "anyone")
    return {item["userId"]: item for item in answer.json()["items"]}


async def publish_track(
    connection: rtc.Room, source: str = "microphone", kind: str | None = None
) -> rtc.LocalTrackPublication:
    """Publish a silent or black track as a source, of its kind or of the other one."""
    track: rtc.LocalTrack
    if (kind or ("video" if source in ("camera", "screen_share") else "audio")) == "video":
        track = rtc.LocalVideoTrack.create_video_track(source, rtc.VideoSource(64, 64))
    else:
        track = rtc.LocalAudioTrack.create_audio_track(source, rtc.AudioSource(48_000, 1))
    name = f"SOURCE_{source.upper().replace('SCREEN_SHARE', 'SCREENSHARE')}"
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.Value(name))
    return await asyncio.wait_for(connection.local_participant.publish_track(track, options), 30)


def rights_of(connection: rtc.Room) -> dict[str, Any]:
    """Return a participant's permissions and badge, as its own client sees them."""
    permissions = connection.local_participant.permissions
    return {
        "canPublish": permissions.can_publish,
        "canPublishData": permissions.can_publish_data,
        "canSubscribe": permissions.can_subscribe,
        "canPublishSources": len(permissions.can_publish_sources),
        "badge": connection.local_participant.attributes.get("cohost.badge", ""),
    }


def forged_token(service: ServiceUnderTest, room_id: str, user_id: str = "mallory") -> str:
    """Return a token signed with LiveKit's key that allows everything, as another service might issue it."""
    token = api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret).with_identity(
        user_id
    )
    return token.with_grants(api.VideoGrants(room_join=True, room=room_id)).to_jwt()


async def livekit_participants(service: ServiceUnderTest, room_id: str) -> dict[str, models.ParticipantInfo]:
    """Return the participants of the LiveKit room by identity, read from LiveKit itself."""
    async with livekit_api(service.endpoints) as livekit:
        found = await livekit.room.list_participants(api.ListParticipantsRequest(room=room_id))
    return {info.identity: info for info in found.participants}


async def livekit_room_exists(service: ServiceUnderTest, room_id: str) -> bool:
    """Return whether LiveKit has the room."""
    async with livekit_api(service.endpoints) as livekit:
        return bool((await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms)


async def livekit_matches_stage(service: ServiceUnderTest, room_id: str) -> bool:
    """Return whether every LiveKit participant has exactly the permissions that the stage gives them."""
    on_stage = await stage_items(service, room_id)
    present = await livekit_participants(service, room_id)
    return all(
        _granted_rights(info) == _expected_rights(on_stage.get(user_id)) for user_id, info in present.items()
    )


def _granted_rights(info: models.ParticipantInfo) -> tuple[Any, ...]:
    had = info.permission
    names = tuple(models.TrackSource.Name(number).lower() for number in had.can_publish_sources)
    badge = info.attributes.get("cohost.badge", "")
    return had.can_subscribe, had.can_publish, had.can_publish_data, names, badge


def _expected_rights(item: dict[str, Any] | None) -> tuple[Any, ...]:
    if item is None:
        return True, False, False, (), ""
    muted = {source for name in item["hardMuted"] for source in _SOURCES_BY_MUTE[name]}
    sources = tuple(source for source in SOURCES if source not in muted)
    return True, bool(sources), True, sources, item["badge"]


def grant_event_counts(service: ServiceUnderTest) -> Counter[tuple[str, str]]:
    """Return the number of `GrantProvisioned` and `GrantRevoked` events by (invitation id, event name)."""
    names = ("GrantProvisioned", "GrantRevoked")
    return Counter(
        (record.data["invitationId"], record.name)
        for record in service.published
        if record.data is not None and record.name in names
    )
