"""LiveKit's room service with one signed API token per room and grant, and one plain request per call."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import jwt
from cachetools import TTLCache
from livekit.api.room_service import RoomService
from livekit.api.twirp_client import TwirpClient

_API_TOKEN_TTL_SECONDS = 600
_API_TOKEN_REUSE_SECONDS = 300
_MAX_API_TOKENS = 4096
_CONTENT_TYPE = {"Content-Type": "application/protobuf"}

RecordAnswer = Callable[[int, str | None], None]
"""Receives the status of each answer, and its `Retry-After`."""


class DirectTwirpClient(TwirpClient):
    """A Twirp client without failover: callers retry themselves, and need the headers of an answer."""

    def __init__(self, session: aiohttp.ClientSession, url: str, record_answer: RecordAnswer) -> None:
        super().__init__(session, url, "livekit", failover=False)
        self._record_answer = record_answer

    async def request(  # noqa: PLR0913 - its parent's
        self,
        service: str,
        method: str,
        data: Any,
        headers: dict[str, str],
        response_class: Any,
        *,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - its parent's
    ) -> Any:
        """Make a call. Raises `ServerError` and aiohttp's errors."""
        url = f"{self.host}/{self.prefix}/{self.pkg}.{service}/{method}"
        async with self._session.post(
            url, headers=headers | _CONTENT_TYPE, data=data.SerializeToString(), timeout=timeout
        ) as response:
            self._record_answer(response.status, response.headers.get("Retry-After"))
            if response.status == HTTPStatus.OK:
                return response_class.FromString(await response.read())
            raise self._server_error(await _read_error(response), response.status)


class CachedTokenRoomService(RoomService):
    """LiveKit's room service, whose API tokens are cached."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, key: str, secret: str, record_answer: RecordAnswer
    ) -> None:
        super().__init__(session, url, key, secret, failover=False)
        self._client = DirectTwirpClient(session, url, record_answer)
        self._signed: TTLCache[tuple[object, ...], tuple[float, dict[str, str]]] = TTLCache(
            _MAX_API_TOKENS, _API_TOKEN_REUSE_SECONDS
        )

    def drop_tokens(self) -> None:
        """Drop the cached tokens, so that the next calls sign new ones."""
        self._signed.clear()

    def _auth_header(self, grants: Any, sip: Any = None) -> dict[str, str]:  # noqa: ARG002 - its parent's
        scope = grants.room, grants.room_admin, grants.room_create, grants.room_list
        signed_at, header = self._signed.get(scope, (0.0, {}))
        # Check two clocks: the cache's monotonic one stops while the machine sleeps, this one may be reset.
        if abs(time.time() - signed_at) > _API_TOKEN_REUSE_SECONDS:
            header = {"authorization": f"Bearer {self._sign_token(*scope)}"}
            self._signed[scope] = (time.time(), header)
        return header

    def _sign_token(self, room: object, room_admin: object, room_create: object, room_list: object) -> str:
        """Return a token with these grants alone; the SDK's class adds others, in three times the time."""
        grants = {"room": room, "roomAdmin": room_admin, "roomCreate": room_create, "roomList": room_list}
        now = int(time.time())
        claims = {
            "iss": self.api_key,
            "nbf": now,
            "exp": now + _API_TOKEN_TTL_SECONDS,
            "video": {name: value for name, value in grants.items() if value},
        }
        return jwt.encode(claims, self.api_secret, algorithm="HS256")


async def _read_error(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Return Twirp's error, an empty one if the answer has none: a proxy may answer anything."""
    try:
        error = await response.json()
    except Exception:  # noqa: BLE001 - the body may be anything, in any encoding
        return {}
    return error if isinstance(error, dict) else {}
