"""LiveKit's client: calls, join tokens and webhooks, in terms of our own models."""

from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import aiohttp
import jwt
from google.protobuf.json_format import ParseError
from livekit import api
from livekit.protocol import models

from cohost_schemas import signals, timestamps
from cohost_schemas.events import Permissions
from cohost_schemas.signals import Participant
from cohost_schemas.types import Badge
from messaging.tracing.tracer import Tracer
from services.broadcast.livekit import join_tokens, mapping
from services.broadcast.livekit.calls import CallFailed, LiveKitCalls, R, T
from services.broadcast.livekit.join_tokens import JoinGrant
from services.broadcast.livekit.room_service import CachedTokenRoomService
from services.broadcast.metrics import LiveKitMetrics

DATA_TOPIC = "cohost"

# Under ten minutes even when the clock's second turns while the token is being created.
_TOKEN_TTL = timedelta(seconds=590)
_EXPIRY_LEEWAY_SECONDS = 60

_IDLE_CONNECTION_SECONDS = 50
"""Longer than between two comparisons, so that a grant finds a connection; shorter than proxies keep one."""

_NO_ROOM = "-/-"
"""A name that no room of ours has, because it is not an id: to list it costs LiveKit nothing."""


class UnsignedWebhook(Exception):
    """A webhook without a valid signature by our API key."""


class JoinToken(NamedTuple):
    """A token to join a room with, and its expiry time."""

    text: str
    expires_at: str


class LiveKitClient:
    """LiveKit's rooms and their participants. Every call raises `CallFailed`.

    Participants of `other_kinds` are no people: they are not reported, as if they were not there.
    """

    def __init__(  # noqa: PLR0913 - LiveKit's address and credentials, and how to use them
        self,
        url: str,
        key: str,
        secret: str,
        timeout_seconds: float,
        metrics: LiveKitMetrics,
        *,
        other_kinds: Collection[str] = (),
        tracer: Tracer | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._secret = secret
        self.timeout_seconds = timeout_seconds
        """The longest time that a call may take."""
        self._calls = LiveKitCalls(timeout_seconds, metrics, tracer)
        self._other_kinds = frozenset(mapping.to_kind(word) for word in other_kinds)
        self._session: aiohttp.ClientSession | None = None
        self._service: CachedTokenRoomService | None = None
        self._token_verifier = api.TokenVerifier(key, secret)
        self._webhook_receiver = api.WebhookReceiver(self._token_verifier)

    @property
    def last_failure(self) -> CallFailed | None:
        """Return the failure of the last call, None if it succeeded."""
        return self._calls.last_failure

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def set_rights(
        self, room_id: str, user_id: str, permissions: Permissions, badge: Badge | None
    ) -> Participant | None:
        """Give a participant exactly these rights; None if there is no such participant."""
        # LiveKit replaces the whole permission object, so every field is set.
        wanted = models.ParticipantPermission(
            can_subscribe=permissions.can_subscribe,
            can_publish=permissions.can_publish,
            can_publish_data=permissions.can_publish_data,
            can_publish_sources=[source.upper() for source in permissions.can_publish_sources],
        )
        request = api.UpdateParticipantRequest(
            room=room_id,
            identity=user_id,
            permission=wanted,
            attributes={mapping.BADGE_ATTRIBUTE: badge or ""},
        )
        return await self._call(
            "UpdateParticipant", self._room_service.update_participant(request), mapping.to_participant
        )

    async def get_participant(self, room_id: str, user_id: str) -> Participant | None:
        """Return a participant as LiveKit has it; None if there is no such participant."""
        request = api.RoomParticipantIdentity(room=room_id, identity=user_id)
        answer = self._room_service.get_participant(request)
        found = await self._call("GetParticipant", answer, self._people_in)
        return found[0] if found else None

    async def remove_participant(self, room_id: str, user_id: str) -> bool:
        """Disconnect a participant; return whether there was one."""
        request = api.RoomParticipantIdentity(room=room_id, identity=user_id)
        answer = self._room_service.remove_participant(request)
        return await self._call("RemoveParticipant", answer, _ignore_answer) is not None

    async def mute_track(self, room_id: str, user_id: str, track_sid: str) -> bool:
        """Mute a track; return whether there was one.

        Call it only for a participant who is connected: for others LiveKit takes seconds to answer.
        """
        request = api.MuteRoomTrackRequest(room=room_id, identity=user_id, track_sid=track_sid, muted=True)
        answer = self._room_service.mute_published_track(request)
        # LiveKit does not answer with an error when the track is missing, but with an empty track.
        return bool(await self._call("MutePublishedTrack", answer, lambda found: found.track.sid))

    async def send_data(self, room_id: str, user_id: str, data: bytes) -> None:
        """Send a participant a data message on the topic `cohost`."""
        request = api.SendDataRequest(
            room=room_id,
            data=data,
            kind=models.DataPacket.Kind.RELIABLE,
            destination_identities=[user_id],
            topic=DATA_TOPIC,
        )
        await self._call("SendData", self._room_service.send_data(request), _ignore_answer)

    async def create_room(self, room_id: str, departure_seconds: int) -> None:
        """Create a room unless it exists; it outlives a join token and an absence of `departure_seconds`."""
        # A participant who left a moment ago may hold a token for rejoining that was just issued.
        seconds = max(int(_TOKEN_TTL.total_seconds()) + 2 * _EXPIRY_LEEWAY_SECONDS, departure_seconds)
        request = api.CreateRoomRequest(name=room_id, empty_timeout=seconds, departure_timeout=seconds)
        await self._call("CreateRoom", self._room_service.create_room(request), _ignore_answer)

    async def delete_room(self, room_id: str) -> None:
        """Delete a room if it exists."""
        request = api.DeleteRoomRequest(room=room_id)
        await self._call("DeleteRoom", self._room_service.delete_room(request), _ignore_answer)

    async def list_rooms(self, names: Iterable[str] = ()) -> dict[str, str]:
        """Return the sids of the existing rooms by name: of these rooms, or of all if none are named."""
        request = api.ListRoomsRequest(names=list(names))
        return (
            await self._call("ListRooms", self._room_service.list_rooms(request), mapping.to_room_sids) or {}
        )

    async def list_participants(self, room_id: str) -> list[Participant]:
        """Return the participants of a room; none if there is no such room."""
        request = api.ListParticipantsRequest(room=room_id)
        answer = self._room_service.list_participants(request)
        found = await self._call(
            "ListParticipants", answer, lambda response: self._people_in(*response.participants)
        )
        return found or []

    async def check_access(self) -> bool | Literal["unauthorized"]:
        """Return whether LiveKit answers a call, and `unauthorized` if it refuses our key.

        A LiveKit that only limits the rate of calls counts as one that answers.
        """
        try:
            await self.list_rooms([_NO_ROOM])
        except CallFailed as error:
            return "unauthorized" if error.refused else error.retry_after > 0
        return True

    def create_token(
        self, room_id: str, user_id: str, permissions: Permissions, badge: Badge | None, name: str = ""
    ) -> JoinToken:
        """Return a token to join the room with exactly these rights, under this display name."""
        # LiveKit allows every permission that is not set here.
        grants = api.VideoGrants(
            room_join=True,
            room=room_id,
            can_publish=permissions.can_publish,
            can_publish_data=permissions.can_publish_data,
            can_subscribe=permissions.can_subscribe,
            can_publish_sources=list(permissions.can_publish_sources) or None,
        )
        token = api.AccessToken(self._key, self._secret).with_identity(user_id).with_grants(grants)
        if name:
            token = token.with_name(name)
        if badge is not None:
            token = token.with_attributes({mapping.BADGE_ATTRIBUTE: badge})
        text = token.with_ttl(_TOKEN_TTL).to_jwt()
        claims = jwt.decode(text, options={"verify_signature": False})
        return JoinToken(text, timestamps.from_ms(1000 * claims["exp"]))

    def read_join_token(self, token: str) -> JoinGrant | None:
        """Return what a token grants; None if it is not valid or lets nobody join a room."""
        return join_tokens.read_join_token(token, self._key, self._secret)

    def is_person(self, kind: str) -> bool:
        """Return whether participants of this kind are people, as those of an unknown kind are."""
        return mapping.to_kind(kind) not in self._other_kinds

    def check_webhook_token(self, authorization: str) -> None:
        """Check all of a webhook's signature but the body's hash. Raises `UnsignedWebhook`."""
        try:
            claims = self._token_verifier.verify(authorization.removeprefix("Bearer "))
        except Exception as error:
            # Like the receiver, the verifier raises many types of error.
            raise UnsignedWebhook from error
        if not claims.sha256:
            raise UnsignedWebhook

    def read_webhook(self, body: bytes, authorization: str) -> tuple[str, signals.WebhookReport] | None:
        """Return a webhook's id and report; None if it is irrelevant here. Raises `UnsignedWebhook`."""
        try:
            event = self._webhook_receiver.receive(body.decode(), authorization.removeprefix("Bearer "))
        except ParseError:
            return None
        except Exception as error:
            # The receiver raises many types of error, down to a bare Exception.
            raise UnsignedWebhook from error
        if event.participant.kind in self._other_kinds:
            return None
        report = mapping.to_webhook_report(event)
        return (event.id, report) if report is not None else None

    def _people_in(self, *infos: models.ParticipantInfo) -> list[Participant]:
        """Return the people among participants, without those that have no identity."""
        return [
            mapping.to_participant(info)
            for info in infos
            if info.kind not in self._other_kinds and mapping.clean_text(info.identity)
        ]

    @property
    def _http_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No connection limit: callers limit themselves, and must not wait here for each other.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    @property
    def _room_service(self) -> CachedTokenRoomService:
        if self._service is None:
            self._service = CachedTokenRoomService(
                self._http_session, self._url, self._key, self._secret, self._calls.record_answer
            )
        return self._service

    async def _call(self, method: str, answer: Coroutine[Any, Any, T], read: Callable[[T], R]) -> R | None:
        """Make a call and convert its answer; None where LiveKit knows no such room or participant."""
        try:
            return await self._calls.make_call(method, answer, read)
        except CallFailed as error:
            if error.refused:
                self._room_service.drop_tokens()
            raise


def _ignore_answer(_: object) -> bool:
    return True
