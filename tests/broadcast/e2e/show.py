"""Steps and queries for tests with real LiveKit participants: connect, publish, compare with the stage."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from livekit import api, rtc
from livekit.protocol import models

from tests.broadcast.e2e.house import Heard, House, room, server

SOURCES = ("camera", "microphone", "screen_share", "screen_share_audio")
CO_HOST = {
    "canPublish": True,
    "canPublishData": True,
    "canSubscribe": True,
    "canPublishSources": 4,
    "badge": "coHost",
}
VIEWER = {
    "canPublish": False,
    "canPublishData": False,
    "canSubscribe": True,
    "canPublishSources": 0,
    "badge": "",
}
_COVERED = {
    "camera": {"camera"},
    "microphone": {"microphone"},
    "screen_share": {"screen_share", "screen_share_audio"},
}


@dataclass
class Guests:
    """LiveKit clients of one test, to be disconnected together."""

    joined: list[rtc.Room] = field(default_factory=list)

    async def join(
        self, service: House, room_id: str, user_id: str, *, viewer: bool = False, token: str | None = None
    ) -> rtc.Room:
        """Connect a user, with a token from the service or the given one."""
        url = service.endpoints.public_url
        if token is None:
            data = (await broadcast_data(service, room_id, user_id, viewer=viewer)).json()
            url, token = data["serverUrl"], data["token"]
        joined = rtc.Room()
        await joined.connect(url, token)
        self.joined.append(joined)
        return joined

    async def leave(self) -> None:
        """Disconnect every client."""
        await asyncio.gather(*(joined.disconnect() for joined in self.joined), return_exceptions=True)


async def broadcast_data(
    service: House, room_id: str, user_id: str, *, viewer: bool = False
) -> httpx.Response:
    """Return the successful answer of `broadcast-data`."""
    answer = await service.get(f"/v1/rooms/{room_id}/broadcast-data{'?as=viewer' * viewer}", user_id)
    assert answer.status_code == 200, answer.text
    return answer


async def live(service: House, status: str = "live") -> str:
    """Open a new room, wait for its host's badge, and return its id."""
    name = room()
    await service.publish_stage(name, status)
    await service.await_(lambda record: record.key == f"{name}/alice")
    return name


async def badge(service: House, room_id: str, user_id: str) -> Heard:
    """Wait until a user wears a badge, and return its record."""
    found = await service.await_(
        lambda record: record.key == f"{room_id}/{user_id}" and record.data is not None
    )
    return found[-1]


async def co_host(
    service: House, clients: Guests, room_id: str, user_id: str = "bob"
) -> tuple[str, rtc.Room]:
    """Seat a user and connect them; return the invitation's id and the connection."""
    invitation_id = await service.seat_user(room_id, user_id)
    await badge(service, room_id, user_id)
    joined = await clients.join(service, room_id, user_id)
    await service.event("CoHostConnected", room_id, user_id)
    await service.event("GrantProvisioned", room_id, user_id)
    return invitation_id, joined


async def items(service: House, room_id: str) -> dict[str, dict[str, Any]]:
    """Return the items of the stage by user id."""
    answer = await service.get(f"/v1/rooms/{room_id}/stage", "anyone")
    return {item["userId"]: item for item in answer.json()["items"]}


async def publish(who: rtc.Room, source: str = "microphone") -> rtc.LocalTrackPublication:
    """Publish a silent or black track of a source."""
    track: rtc.LocalTrack
    if source in ("camera", "screen_share"):
        track = rtc.LocalVideoTrack.create_video_track(source, rtc.VideoSource(64, 64))
    else:
        track = rtc.LocalAudioTrack.create_audio_track(source, rtc.AudioSource(48_000, 1))
    kind = f"SOURCE_{source.upper().replace('SCREEN_SHARE', 'SCREENSHARE')}"
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.Value(kind))
    return await asyncio.wait_for(who.local_participant.publish_track(track, options), 30)


def rights_of(who: rtc.Room) -> dict[str, Any]:
    """Return a participant's permissions and badge, as its own client sees them."""
    had = who.local_participant.permissions
    return {
        "canPublish": had.can_publish,
        "canPublishData": had.can_publish_data,
        "canSubscribe": had.can_subscribe,
        "canPublishSources": len(had.can_publish_sources),
        "badge": who.local_participant.attributes.get("cohost.badge", ""),
    }


def forged(service: House, room_id: str, user_id: str = "mallory") -> str:
    """Return a token signed with LiveKit's key that allows everything, as another service might issue it."""
    token = api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret).with_identity(
        user_id
    )
    return token.with_grants(api.VideoGrants(room_join=True, room=room_id)).to_jwt()


async def participants(service: House, room_id: str) -> dict[str, models.ParticipantInfo]:
    """Return the participants of the LiveKit room by identity, read from LiveKit itself."""
    async with server(service.endpoints) as livekit:
        found = await livekit.room.list_participants(api.ListParticipantsRequest(room=room_id))
    return {info.identity: info for info in found.participants}


async def exists(service: House, room_id: str) -> bool:
    """Return whether LiveKit has the room."""
    async with server(service.endpoints) as livekit:
        return bool((await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms)


async def agreed(service: House, room_id: str) -> bool:
    """Return whether every LiveKit participant has exactly the permissions that the stage gives them."""
    on_stage = await items(service, room_id)
    present = await participants(service, room_id)
    return all(_has(info) == _due(on_stage.get(user_id)) for user_id, info in present.items())


def _has(info: models.ParticipantInfo) -> tuple[Any, ...]:
    had = info.permission
    names = tuple(models.TrackSource.Name(number).lower() for number in had.can_publish_sources)
    badge = info.attributes.get("cohost.badge", "")
    return had.can_subscribe, had.can_publish, had.can_publish_data, names, badge


def _due(item: dict[str, Any] | None) -> tuple[Any, ...]:
    if item is None:
        return True, False, False, (), ""
    muted = {source for name in item["hardMuted"] for source in _COVERED[name]}
    sources = tuple(source for source in SOURCES if source not in muted)
    return True, bool(sources), True, sources, item["badge"]


def told(service: House) -> Counter[tuple[str, str]]:
    """Return the number of `GrantProvisioned` and `GrantRevoked` events by (invitation id, event name)."""
    names = ("GrantProvisioned", "GrantRevoked")
    return Counter(
        (record.data["invitationId"], record.name)
        for record in service.published
        if record.data is not None and record.name in names
    )
