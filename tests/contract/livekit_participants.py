"""Real participants on the real LiveKit, and LiveKit's server API."""

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from livekit import rtc

from tests.contract.deployment import Deployment
from tests.contract.polling import wait_until
from tests.contract.topic_log import TIMEOUT_SECONDS

AUDIO = {
    "microphone": rtc.TrackSource.SOURCE_MICROPHONE,
    "screen_share_audio": rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO,
}
VIDEO = {
    "camera": rtc.TrackSource.SOURCE_CAMERA,
    "screen_share": rtc.TrackSource.SOURCE_SCREENSHARE,
}
BADGE = "cohost.badge"


class LiveKitParticipant:
    """A LiveKit client that records messages and disconnects."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.messages: list[rtc.DataPacket] = []
        self.disconnected: list[Any] = []
        self.room.on("data_received", self.messages.append)
        self.room.on("disconnected", self.disconnected.append)
        self._sources: list[Any] = []

    @property
    def can_publish(self) -> bool:
        found = self.room.local_participant.permissions
        return bool(found and found.can_publish)

    @property
    def badge(self) -> str:
        return self.room.local_participant.attributes.get(BADGE, "")

    def remote_track_sids(self, identity: str) -> list[str]:
        """Return the sids of the tracks published by another participant."""
        found = self.room.remote_participants.get(identity)
        return list(found.track_publications) if found is not None else []

    async def publish_track(
        self, source: str = "microphone", kind: str | None = None
    ) -> rtc.LocalTrackPublication:
        """Publish a silent or black track, of its source's kind or of the other one."""
        track: Any
        if (kind or ("audio" if source in AUDIO else "video")) == "audio":
            audio = rtc.AudioSource(48_000, 1)
            self._sources.append(audio)
            track = rtc.LocalAudioTrack.create_audio_track(source, audio)
        else:
            video = rtc.VideoSource(64, 64)
            self._sources.append(video)
            track = rtc.LocalVideoTrack.create_video_track(source, video)
        options = rtc.TrackPublishOptions(source=(AUDIO | VIDEO)[source])
        publishing = self.room.local_participant.publish_track(track, options)
        return await asyncio.wait_for(publishing, TIMEOUT_SECONDS)


def bypass_proxies(url: str) -> None:
    """Remove the environment's proxies if LiveKit is on this machine: its client reads no `NO_PROXY`."""
    if urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1"):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            os.environ.pop(name, None)


@asynccontextmanager
async def join_room(data: dict[str, Any]) -> AsyncIterator[LiveKitParticipant]:
    """Join a LiveKit room with the answer of `broadcast-data`."""
    participant = LiveKitParticipant()
    bypass_proxies(data["serverUrl"])
    await participant.room.connect(data["serverUrl"], data["token"])
    try:
        yield participant
    finally:
        await participant.room.disconnect()


def granted_permissions(participant: dict[str, Any]) -> dict[str, Any]:
    """Return the permissions of a participant of the server API in the contract's words."""
    granted = participant["permission"]
    sources = granted.get("can_publish_sources", [])
    names = {1: "camera", 2: "microphone", 3: "screen_share", 4: "screen_share_audio"}
    return {
        "canPublish": granted.get("can_publish", False),
        "canPublishData": granted.get("can_publish_data", False),
        "canSubscribe": granted.get("can_subscribe", False),
        "canPublishSources": [names.get(name, str(name).lower()) for name in sources],
    }


class LiveKitServerApi:
    """LiveKit's view of its rooms, read through its published HTTP API."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        url = deployment.livekit_url.replace("ws://", "http://").replace("wss://", "https://")
        self._http = httpx.AsyncClient(base_url=url, timeout=60)

    async def close(self) -> None:
        await self._http.aclose()

    def sign_token(self, identity: str, **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": self.deployment.livekit_api_key,
            "sub": identity,
            "nbf": now - 1,
            "exp": now + 60,
            **claims,
        }
        return jwt.encode(payload, self.deployment.livekit_api_secret, "HS256")

    def forged_broadcast_data(self, room: str, identity: str, **grants: Any) -> dict[str, Any]:
        """Return an answer like `broadcast-data`'s, with the given permissions."""
        video = {"roomJoin": True, "room": room, "canPublish": True, "canPublishData": False, **grants}
        return {"serverUrl": self.deployment.livekit_url, "token": self.sign_token(identity, video=video)}

    async def send_webhook(self, event: dict[str, Any]) -> int:
        """Send broadcast a signed webhook, as LiveKit does; return the answer's status."""
        body = json.dumps(event).encode()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"Authorization": self.sign_token("", sha256=digest)}
        url = f"{self.deployment.broadcast_url}/livekit/webhook"
        return (await self._http.post(url, content=body, headers=headers)).status_code

    async def call_api(self, method: str, room: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the API as an administrator of a room."""
        video = {"roomAdmin": True, "roomList": True, "roomCreate": True, "room": room}
        headers = {"Authorization": f"Bearer {self.sign_token('contract-tests', video=video)}"}
        answer = await self._http.post(f"/twirp/livekit.RoomService/{method}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def room_exists(self, room: str) -> bool:
        return bool((await self.call_api("ListRooms", room, {"names": [room]})).get("rooms"))

    async def find_participant(self, room: str, identity: str) -> dict[str, Any] | None:
        found = (await self.call_api("ListParticipants", room, {"room": room})).get("participants", [])
        return next((someone for someone in found if someone["identity"] == identity), None)

    async def permissions_of(self, room: str, identity: str) -> dict[str, Any]:
        """Return a participant's permissions in the contract's words."""
        found = await self.find_participant(room, identity)
        assert found is not None
        return granted_permissions(found)

    async def wait_for_permissions(self, room: str, identity: str, permissions: dict[str, Any]) -> None:
        async def matches() -> bool:
            return await self.permissions_of(room, identity) == permissions

        await wait_until(matches, f"the permissions {permissions}")
