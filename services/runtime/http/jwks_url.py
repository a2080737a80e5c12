"""The JWK set behind `COHOST_JWKS_URL`."""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import structlog

_FETCH_SECONDS = 5
_REFRESH_SECONDS = 60
_MAX_BYTES = 1024 * 1024

log = structlog.get_logger()


class JwksUnavailable(Exception):
    """The URL gave no JWK set; the message is the reason."""


class JwksUrl:
    """Fetch a JWK set, in bounded time and size; refresh it at most once a minute."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Reads many files, so not at each request. These are the system's authorities.
        self._tls = ssl.create_default_context()
        self._refreshed_at = -float(_REFRESH_SECONDS)
        self._refreshing: asyncio.Task[None] | None = None

    async def fetch(self) -> dict[str, Any]:
        """Return the JWK set. Raises `JwksUnavailable`."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                body = await self._request()
            jwks = json.loads(body)
        except TimeoutError as error:
            msg = f"no answer within {_FETCH_SECONDS} s"
            raise JwksUnavailable(msg) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise JwksUnavailable(str(error) or type(error).__name__) from error
        except (ValueError, RecursionError) as error:
            msg = "the answer is not JSON"
            raise JwksUnavailable(msg) from error
        return jwks if isinstance(jwks, dict) else {}

    async def refresh(self, fetch_keys: Callable[[], Awaitable[None]]) -> None:
        """Run `fetch_keys` unless it ran within the last minute; wait for it if it runs already."""
        if self._refreshing is None:
            if time.monotonic() - self._refreshed_at < _REFRESH_SECONDS:
                return
            self._refreshed_at = time.monotonic()
            self._refreshing = asyncio.create_task(self._try_refresh(fetch_keys))
        # A caller that gives up must not cancel what others wait for.
        await asyncio.shield(self._refreshing)

    async def _try_refresh(self, fetch_keys: Callable[[], Awaitable[None]]) -> None:
        try:
            await fetch_keys()
        except (JwksUnavailable, ValueError) as error:
            log.warning("JWKS refresh failed", error=str(error))
        finally:
            self._refreshing = None

    async def _request(self) -> bytes:
        # No proxy of the environment, as for every connection of the services.
        async with (
            httpx.AsyncClient(trust_env=False, verify=self._tls, timeout=_FETCH_SECONDS) as client,
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                msg = f"status {answer.status_code}"
                raise JwksUnavailable(msg)
            body = bytearray()
            # Raw: a compressed answer, which was not asked for, is not JSON.
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > _MAX_BYTES:
                    msg = f"more than {_MAX_BYTES} bytes"
                    raise JwksUnavailable(msg)
            return bytes(body)
