"""LiveKit's client: calls, join tokens and webhooks, in terms of our own models."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta
from typing import Any, Literal, NamedTuple, TypeVar

import aiohttp
import jwt
from cachetools import TTLCache
from google.protobuf.json_format import ParseError
from livekit import api
from livekit.api.room_service import RoomService
from livekit.protocol import models

from cohost_schemas import signals, timestamps
from cohost_schemas.events import Permissions
from cohost_schemas.signals import Participant
from cohost_schemas.types import Badge, is_stored_id
from services.broadcast.livekit import mapping
from services.broadcast.metrics import LiveKitMetrics

DATA_TOPIC = "cohost"

# Under ten minutes even when the clock's second turns while the token is being created.
_TOKEN_TTL = timedelta(seconds=590)
_EXPIRY_LEEWAY_SECONDS = 60
_API_TOKEN_TTL = timedelta(minutes=10)
_API_TOKEN_REUSE_SECONDS = 300
_MAX_API_TOKENS = 4096
_PERMANENT_CODES = frozenset({"invalid_argument", "failed_precondition", "unimplemented", "malformed"})
_TIMEOUT_CODES = frozenset({"unavailable", "deadline_exceeded", "canceled"})
_INTERNAL_STATUS = 500
_READ_METHODS = frozenset({"GetParticipant", "ListParticipants", "ListRooms"})
_AUTH_STATUSES = frozenset({401, 403})

_NO_ROOM = "-/-"
"""A name that no room of ours has, because it is not an id: to list it costs LiveKit nothing."""

_MAX_DETAIL_LENGTH = 300

R = TypeVar("R")
T = TypeVar("T")


class CallFailed(Exception):
    """A failed call. `retryable`: a retry may succeed; `outcome_unknown`: it may still take effect.

    `refused`: LiveKit refuses our key.
    """

    def __init__(
        self, error: str, *, retryable: bool, outcome_unknown: bool = False, refused: bool = False
    ) -> None:
        super().__init__(error)
        self.error = error
        self.retryable = retryable
        self.outcome_unknown = outcome_unknown
        self.refused = refused


class UnsignedWebhook(Exception):
    """A webhook without a valid signature by our API key."""


class JoinToken(NamedTuple):
    """A token to join a room with, and its expiry time."""

    text: str
    expires_at: str


class _CachedTokenRoomService(RoomService):
    """LiveKit's room service with one signed API token per room and grant instead of one per call."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, secret: str) -> None:
        super().__init__(session, url, key, secret, failover=False)
        self._signed: TTLCache[tuple[object, ...], tuple[float, dict[str, str]]] = TTLCache(
            _MAX_API_TOKENS, _API_TOKEN_REUSE_SECONDS
        )

    def drop_tokens(self) -> None:
        """Drop the cached tokens, so that the next calls sign new ones."""
        self._signed.clear()

    def _auth_header(self, grants: Any, sip: Any = None) -> dict[str, str]:  # noqa: ARG002 - its parent's
        scope = (grants.room, grants.room_admin, grants.room_create, grants.room_list)
        signed_at, header = self._signed.get(scope, (0.0, {}))
        # Check two clocks: the cache's monotonic one stops while the machine sleeps, this one may be reset.
        if abs(time.time() - signed_at) > _API_TOKEN_REUSE_SECONDS:
            token = (
                api.AccessToken(self.api_key, self.api_secret).with_ttl(_API_TOKEN_TTL).with_grants(grants)
            )
            header = {"authorization": f"Bearer {token.to_jwt()}"}
            self._signed[scope] = (time.time(), header)
        return header


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
    ) -> None:
        self._url = url
        self._key = key
        self._secret = secret
        self.timeout_seconds = timeout_seconds
        """The longest time that a call may take."""
        self._metrics = metrics
        self._other_kinds = frozenset(mapping.to_kind(word) for word in other_kinds)
        self._session: aiohttp.ClientSession | None = None
        self._service: _CachedTokenRoomService | None = None
        self._token_verifier = api.TokenVerifier(key, secret)
        self._webhook_receiver = api.WebhookReceiver(self._token_verifier)

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
        """Return whether LiveKit answers a call, and `unauthorized` if it refuses our key."""
        try:
            await self.list_rooms([_NO_ROOM])
        except CallFailed as error:
            return "unauthorized" if error.refused else False
        return True

    def create_token(
        self, room_id: str, user_id: str, permissions: Permissions, badge: Badge | None
    ) -> JoinToken:
        """Return a token to join the room with exactly these rights."""
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
        if badge is not None:
            token = token.with_attributes({mapping.BADGE_ATTRIBUTE: badge})
        text = token.with_ttl(_TOKEN_TTL).to_jwt()
        claims = jwt.decode(text, options={"verify_signature": False})
        return JoinToken(text, timestamps.from_ms(1000 * claims["exp"]))

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
        report = mapping.to_webhook_report(event) if is_stored_id(event.room.name) else None
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
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session

    @property
    def _room_service(self) -> _CachedTokenRoomService:
        if self._service is None:
            self._service = _CachedTokenRoomService(self._http_session, self._url, self._key, self._secret)
        return self._service

    async def _call(self, method: str, answer: Awaitable[T], read: Callable[[T], R]) -> R | None:
        """Wait for an answer and convert it; None where LiveKit knows no such room or participant."""
        result = "cancelled"
        may_change = method not in _READ_METHODS
        try:
            with self._metrics.call_seconds.labels(method).time():
                # The client passes `timeout=None` to aiohttp, which disables the session's time-out.
                async with asyncio.timeout(self.timeout_seconds):
                    found = read(await answer)
        except api.ServerError as error:
            result = str(error.code)
            if result == "not_found":
                return None
            if error.status in _AUTH_STATUSES:
                self._room_service.drop_tokens()
            raise _call_failure(method, error, outcome_unknown=may_change) from error
        except Exception as error:
            # A proxy may answer anything, and the client then raises many types of error.
            result = type(error).__name__
            message = f"{method}: LiveKit did not answer ({result})"
            outcome_unknown = may_change and not isinstance(error, aiohttp.ClientConnectorError)
            raise CallFailed(message, retryable=True, outcome_unknown=outcome_unknown) from error
        else:
            result = "ok"
            return found
        finally:
            self._metrics.calls.labels(method, result).inc()


def _call_failure(method: str, error: api.ServerError, *, outcome_unknown: bool) -> CallFailed:
    code = str(error.code)
    refused = error.status in _AUTH_STATUSES
    permanent = code in _PERMANENT_CODES or refused
    detail = mapping.clean_text(str(error.message or ""))[:_MAX_DETAIL_LENGTH]
    # A server that timed out waiting for one behind it cannot know whether that one still acts.
    outcome_unknown = outcome_unknown and (error.status >= _INTERNAL_STATUS or code in _TIMEOUT_CODES)
    message = f"{method}: {code} ({error.status}) {detail}"
    return CallFailed(message, retryable=not permanent, outcome_unknown=outcome_unknown, refused=refused)


def _ignore_answer(_: object) -> bool:
    return True
