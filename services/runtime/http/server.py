"""The HTTP server: uvicorn, with bounds on its connections and on the time that a client may take."""

import asyncio
import contextlib
import math
import resource
import socket
from collections.abc import Iterator
from typing import Any

import h11
import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.runtime.http import middleware, problems

_HEAD_SECONDS = 10.0
_BODY_SECONDS = 10.0
# What a client still sends once it has its answer is discarded.
_LINGER_SECONDS = 2.0
# The longest time in which a client may take nothing, or too little, of an answer.
_SEND_SECONDS = 30.0
_TICKS_PER_CHECK = 5
# The time without a refusal after which the log reports the end of refusals.
_CALM_SECONDS = 10.0

_MAX_CONNECTIONS = 1000
# The others are for Kafka, Postgres and LiveKit.
_DESCRIPTORS_PER_CONNECTION = 4
_READ_BYTES = 64 * 1024
_UNSENT_BYTES = 64 * 1024
# asyncio accepts as many connections as this before anything else can run.
_ACCEPTED_AT_ONCE = 16
_BACKLOG = 512

log = structlog.get_logger()


def max_connections(
    most: int = _MAX_CONNECTIONS, descriptors_per_connection: int = _DESCRIPTORS_PER_CONNECTION
) -> int:
    """Return the number of connections that are served: up to `most`, and a part of our descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return most
    return max(1, min(most, descriptors // descriptors_per_connection))


class _LingeringTransport:
    """A transport whose `close` may wait for a client that is still sending its request's body.

    A socket that is closed while there is something to read is reset, and the client may lose its answer.
    """

    def __init__(self, transport: asyncio.Transport, connection: h11.Connection) -> None:
        self._transport = transport
        self._connection = connection
        self.is_lingering = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close the transport, or at first only its writing side."""
        if self._connection.their_state is h11.SEND_BODY and not self.is_lingering:
            self.is_lingering = True
            self._transport.write_eof()
        else:
            self._transport.close()


class BoundedConnection(H11Protocol):
    """A connection that is answered with 503 if there are too many, and aborted if its client is too slow."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve a new connection, or refuse it."""
        super().connection_made(transport)
        self.transport = _LingeringTransport(transport, self.conn)  # type: ignore[assignment]
        self._limit = self.config.limit_concurrency or _MAX_CONNECTIONS
        # Not uvicorn's way to refuse, which is no problem details and is in no metric.
        self.limit_concurrency = None
        transport.set_protocol(_BoundedReader(self))
        # The kernel would hold megabytes for a client that reads nothing, which is to be noticed.
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        self._is_excess = len(self.connections) > self._limit
        self._awaited: tuple[object, ...] = ()
        self._awaited_since = self._sent_at = self.loop.time()
        if len(self.connections) > self._limit + self._limit // 2:
            # Too many even to read their requests.
            transport.write(_REFUSAL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends; once it has its answer and the connection is to end, discard it."""
        if not self.transport.is_lingering:  # type: ignore[attr-defined]
            super().data_received(data)

    def handle_events(self) -> None:
        """Start what the client has requested."""
        # The client of a running request may be gone: requests are not bounded by the connections.
        is_overloaded = self._is_excess or len(self.tasks) >= self._limit
        self.app_state = {
            middleware.IS_OVERLOADED: is_overloaded,
            middleware.ABORT_CONNECTION: self.transport.abort,
        }
        super().handle_events()

    @property
    def is_excess(self) -> bool:
        """Return whether there were too many connections when this one came."""
        return self._is_excess

    def abort_if_overdue(self, now: float) -> None:
        """Abort the connection if its client has been silent or slow for too long."""
        if self.transport.get_write_buffer_size() == 0:
            self._sent_at = now
        awaited = (self.cycle, self.conn.their_state, self._is_answered)
        if awaited != self._awaited:
            self._awaited, self._awaited_since = awaited, now
        if now - self._sent_at > _SEND_SECONDS or now - self._awaited_since > self._seconds_for_client():
            self.transport.abort()

    @property
    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _seconds_for_client(self) -> float:
        """Return how long the client may take for what is awaited of it."""
        if self.conn.their_state is h11.IDLE:
            return _LINGER_SECONDS if self._is_excess else _HEAD_SECONDS
        if self.conn.their_state is h11.SEND_BODY:
            return _LINGER_SECONDS if self._is_answered else _BODY_SECONDS
        return math.inf


# A connection's bytes are copied out of it before another connection can receive some.
_received = memoryview(bytearray(_READ_BYTES))


class _BoundedReader(asyncio.BufferedProtocol):
    """The protocol that receives what a connection is sent, in parts of `_READ_BYTES` at most.

    An event loop reads 256 KB at once, before anybody can stop it, into a protocol that has no buffer. uvloop
    takes uvicorn's protocol for one of these, whatever methods it has.
    """

    def __init__(self, connection: BoundedConnection) -> None:
        self._connection = connection

    def get_buffer(self, _: int) -> memoryview:
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(_received[:nbytes]))

    def eof_received(self) -> None:
        self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)


class BoundedServer(uvicorn.Server):
    """A server that bounds its connections, and leaves signal handling to the process."""

    def __init__(self, application: FastAPI, connections: int | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=BoundedConnection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_ACCEPTED_AT_ONCE,
                limit_concurrency=connections or max_connections(),
                timeout_graceful_shutdown=3,
            )
        )
        self._is_overloaded = False
        self._overloaded_until = -math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        # uvicorn has one setting for the kernel's queue and for what asyncio accepts at once.
        for listener in sockets or []:
            listener.listen(_BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        """Check the connections every half second; uvicorn calls this ten times a second."""
        if counter % _TICKS_PER_CHECK == 0:
            self._check_connections()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signal handling to the process."""
        yield

    def _check_connections(self) -> None:
        now = asyncio.get_running_loop().time()
        connections = [c for c in self.server_state.connections if isinstance(c, BoundedConnection)]
        for connection in connections:
            connection.abort_if_overdue(now)
        if any(connection.is_excess for connection in connections):
            self._overloaded_until = now + _CALM_SECONDS
        is_overloaded = now < self._overloaded_until
        if is_overloaded != self._is_overloaded:
            self._is_overloaded = is_overloaded
            if is_overloaded:
                log.warning("HTTP connections refused", limit=self.config.limit_concurrency)
            else:
                log.info("HTTP connections accepted again")


def _encode_response(problem: problems.HttpProblem) -> bytes:
    response = problems.problem_response(problem, {"Connection": "close"})
    lines = [b"HTTP/1.1 503 Service Unavailable", *(b": ".join(header) for header in response.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(response.body)])


_REFUSAL = _encode_response(middleware.OVERLOADED)
