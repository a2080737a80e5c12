"""An HTTP client that costs little: keep-alive connections, requests and answers as bytes."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlsplit

MOST_CONNECTIONS = 1_000

# Servers close a connection that nobody uses for some seconds.
_IDLE_SECONDS = 2.0
_find_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE).search


class HttpAnswer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes


class HttpConnections:
    """Connections to one server, opened as they are needed, up to `MOST_CONNECTIONS`."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.host = f"{address.hostname}:{address.port}"
        self._address = str(address.hostname), int(address.port or 80)
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)

    async def send_request(self, request: bytes) -> HttpAnswer:
        """Send a request and return the answer. Raises `ConnectionError` if the server ends it."""
        async with self._free, self._connection() as connection:
            return await connection.send_request(request)

    def close(self) -> None:
        """Close the connections, none of which may be in use."""
        while self._idle:
            self._idle.pop().close()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator["_Connection"]:
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection.is_stale:
            # The others were used before this one.
            self.close()
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, *self._address)
        yield connection
        self._idle.append(connection)


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._used_at = time.monotonic()

    @property
    def is_stale(self) -> bool:
        """Return whether the server may have closed it."""
        return self._transport.is_closing() or time.monotonic() - self._used_at > _IDLE_SECONDS

    async def send_request(self, request: bytes) -> HttpAnswer:
        """Send a request and return the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        self._used_at = time.monotonic()
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP connection
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect the answer. Every answer to a command has a length."""
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0 or (length := _find_length(self._received, 0, head_end)) is None:
            return
        body = self._received[head_end + 4 :]
        if len(body) >= int(length[1]) and self._answer is not None and not self._answer.done():
            self._answer.set_result(HttpAnswer(int(self._received[9:12]), body))
            self._received = b""

    def connection_lost(self, _: Exception | None) -> None:
        """Fail the request that waits for an answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server ended the connection"))
