"""A fake LiveKit with faults on demand: the real one cannot be made to refuse, hang or answer late."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.message import Message
from livekit import api
from livekit.protocol import models, room

Reply = Message | web.Response


def twirp_error(status: int, code: str) -> web.Response:
    """Return an error in Twirp's format."""
    return web.json_response({"code": code, "msg": "as the test wishes"}, status=status)


@dataclass
class FakeLiveKit:
    """LiveKit's room service in memory: participants by room name and identity.

    `error_replies` replace the answers of a method while they are set. `hanging_methods` do not answer until
    `release` is set; `held` are these calls, with their bodies. The participants of `unlistable_rooms` cannot
    be listed.
    """

    rooms: dict[str, dict[str, models.ParticipantInfo]] = field(default_factory=dict)
    error_replies: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    hanging_methods: set[str] = field(default_factory=set)
    unlistable_rooms: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    held: list[tuple[str, bytes]] = field(default_factory=list)
    url: str = ""

    def clear_faults(self) -> None:
        """Remove every fault and clear the recorded calls."""
        self.release.set()
        self.release = asyncio.Event()
        for store in (
            self.error_replies,
            self.hanging_methods,
            self.unlistable_rooms,
            self.calls,
            self.requests,
            self.tokens,
            self.held,
        ):
            store.clear()

    def add_participant(self, room_id: str, user_id: str, **permission: Any) -> models.ParticipantInfo:
        """Add an active participant to a room."""
        info = models.ParticipantInfo(
            identity=user_id,
            sid=f"PA_{user_id}",
            state=models.ParticipantInfo.State.ACTIVE,
            permission=models.ParticipantPermission(can_subscribe=True, **permission),
        )
        self.rooms.setdefault(room_id, {})[user_id] = info
        return info

    async def handle_request(self, request: web.Request) -> web.Response:
        """Record and answer a call."""
        method = request.match_info["method"]
        body = await request.read()
        self.tokens.append(request.headers["authorization"])
        self.calls[method] += 1
        if method in self.hanging_methods:
            self.held.append((method, body))
            await self.release.wait()
        if method in self.error_replies:
            return self.error_replies[method]()
        reply = getattr(self, f"_{method}")(body)
        if isinstance(reply, web.Response):
            return reply
        return web.Response(body=reply.SerializeToString(), content_type="application/protobuf")

    def _record_request(self, kind: type[Any], body: bytes) -> Any:
        request = kind.FromString(body)
        self.requests.append((kind.__name__, request))
        return request

    def _find_participant(self, request: Any) -> models.ParticipantInfo | None:
        return self.rooms.get(request.room, {}).get(request.identity)

    def _CreateRoom(self, body: bytes) -> Reply:  # noqa: N802 - LiveKit's name
        request = self._record_request(api.CreateRoomRequest, body)
        self.rooms.setdefault(request.name, {})
        return models.Room(name=request.name, sid=f"RM_{request.name}")

    def _DeleteRoom(self, body: bytes) -> Reply:  # noqa: N802
        request = self._record_request(api.DeleteRoomRequest, body)
        if self.rooms.pop(request.room, None) is None:
            return twirp_error(404, "not_found")
        return room.DeleteRoomResponse()

    def _ListRooms(self, body: bytes) -> Reply:  # noqa: N802
        names = api.ListRoomsRequest.FromString(body).names
        there = [
            models.Room(name=name, sid=f"RM_{name}") for name in self.rooms if not names or name in names
        ]
        return room.ListRoomsResponse(rooms=there)

    def _ListParticipants(self, body: bytes) -> Reply:  # noqa: N802
        request = self._record_request(api.ListParticipantsRequest, body)
        if request.room in self.unlistable_rooms:
            return twirp_error(503, "unavailable")
        return room.ListParticipantsResponse(participants=self.rooms.get(request.room, {}).values())

    def _GetParticipant(self, body: bytes) -> Reply:  # noqa: N802
        return self._find_participant(api.RoomParticipantIdentity.FromString(body)) or twirp_error(
            404, "not_found"
        )

    def _RemoveParticipant(self, body: bytes) -> Reply:  # noqa: N802
        request = self._record_request(api.RoomParticipantIdentity, body)
        if self.rooms.get(request.room, {}).pop(request.identity, None) is None:
            return twirp_error(404, "not_found")
        return room.RemoveParticipantResponse()

    def _UpdateParticipant(self, body: bytes) -> Reply:  # noqa: N802
        request = self._record_request(api.UpdateParticipantRequest, body)
        found = self._find_participant(request)
        if found is None:
            return twirp_error(404, "not_found")
        found.permission.CopyFrom(request.permission)
        for name, value in request.attributes.items():
            found.attributes[name] = value
        return found

    def _MutePublishedTrack(self, body: bytes) -> Reply:  # noqa: N802
        request = self._record_request(api.MuteRoomTrackRequest, body)
        found = self._find_participant(request)
        if found is None:
            return twirp_error(503, "unavailable")
        for track in found.tracks:
            if track.sid == request.track_sid:
                track.muted = request.muted
                return room.MuteRoomTrackResponse(track=track)
        return room.MuteRoomTrackResponse()

    def _SendData(self, body: bytes) -> Reply:  # noqa: N802
        self._record_request(api.SendDataRequest, body)
        return room.SendDataResponse()


@contextlib.asynccontextmanager
async def serve_fake_livekit() -> AsyncIterator[FakeLiveKit]:
    """Serve a fake LiveKit on a free port."""
    fake = FakeLiveKit()
    application = web.Application()
    application.router.add_post("/twirp/livekit.RoomService/{method}", fake.handle_request)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        fake.release.set()
        await runner.cleanup()
