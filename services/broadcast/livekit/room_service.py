"""LiveKit's room service with one signed API token per room and grant instead of one per call."""

import time
from datetime import timedelta
from typing import Any

import aiohttp
from cachetools import TTLCache
from livekit import api
from livekit.api.room_service import RoomService

_API_TOKEN_TTL = timedelta(minutes=10)
_API_TOKEN_REUSE_SECONDS = 300
_MAX_API_TOKENS = 4096


class CachedTokenRoomService(RoomService):
    """LiveKit's room service, whose API tokens are cached."""

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
