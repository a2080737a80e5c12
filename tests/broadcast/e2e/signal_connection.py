"""A bare WebSocket to LiveKit that joins a room without media: no webhook reports such a participant."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import jwt
from livekit.protocol import rtc

_SECONDS = 120


class SignalConnection:
    """LiveKit's signal channel: what the server sends to a client."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket

    async def wait_for(self, kind: str) -> rtc.SignalResponse:
        """Return the next message of a kind, such as `refresh_token` or `leave`."""
        async with asyncio.timeout(_SECONDS):
            while True:
                message = await self._websocket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, f"{message.type} instead of {kind}"
                response = rtc.SignalResponse.FromString(message.data)
                if response.WhichOneof("message") == kind:
                    return response

    async def renewed_token(self, *, can_publish: bool) -> str:
        """Return the next token with or without publish permission; LiveKit sends one with each change."""
        while True:
            token = (await self.wait_for("refresh_token")).refresh_token
            grants = jwt.decode(token, options={"verify_signature": False})
            if grants["video"]["canPublish"] is can_publish:
                return token


@contextlib.asynccontextmanager
async def join_without_media(url: str, token: str) -> AsyncIterator[SignalConnection]:
    """Join with a token, as any WebSocket client can, during the block."""
    query = {"access_token": token, "protocol": "15", "sdk": "js", "auto_subscribe": "1"}
    address = f"http{url.removeprefix('ws')}/rtc"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, params=query) as websocket:
        yield SignalConnection(websocket)
