"""The HTTP server's bounds: on the number of connections, and on the time that a client may take."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from prometheus_client import CollectorRegistry

from services.runtime.http import middleware, problems, server
from services.runtime.http.server import BoundedConnection, BoundedServer

# Each test has a loop of its own, of one kind or the other.
pytestmark = pytest.mark.asyncio(loop_scope="function")

SECONDS = 20
LIMIT = 4
# uvicorn stops to read once it holds 64 KiB, and a read may take as much again.
HELD_BYTES = 2 * 64 * 1024
PROBLEM = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "reason": "unavailable",
    "detail": "There are too many connections; try again.",
}


class ServedApplication:
    """An application that a bounded server serves on a port of its own."""

    def __init__(self, port: int, running: BoundedServer) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.server = running
        self.held = asyncio.Event()
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def connect_silently(self, count: int) -> list[asyncio.StreamWriter]:
        """Open connections that send nothing, and wait until the server has all of them."""
        known = len(self.server.server_state.connections)
        writers = [(await self.connect())[1] for _ in range(count)]
        await self.wait_for_connections(known + count)
        return writers

    async def wait_for_connections(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.server.server_state.connections) != count:
                await asyncio.sleep(0.01)

    async def get(self, path: str = "/") -> httpx.Response:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            return await client.get(self.url + path)

    async def read_to_end(self, sent: bytes) -> bytes:
        """Send bytes on a new connection, and return all that comes until the server closes it."""
        reader, writer = await self.connect()
        writer.write(sent)
        return await read_all(reader)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    found = b""
    async with asyncio.timeout(SECONDS):
        with contextlib.suppress(ConnectionResetError):
            while chunk := await reader.read(65_536):
                found += chunk
    return found


def create_application() -> FastAPI:
    application = FastAPI()
    problems.install_handlers(application)
    histogram = middleware.request_histogram(CollectorRegistry())
    application.add_middleware(middleware.RequestMetrics, histogram=histogram)
    application.add_middleware(middleware.HeadRequests)
    application.state.streaming = asyncio.Event()

    @application.get("/")
    async def short() -> PlainTextResponse:
        return PlainTextResponse("short")

    @application.get("/large")
    async def large() -> PlainTextResponse:
        return PlainTextResponse("x" * 50_000_000)

    @application.get("/held")
    async def held(request: Request) -> PlainTextResponse:
        await request.app.state.held.wait()
        return PlainTextResponse("held")

    @application.post("/held")
    async def held_unread(request: Request) -> None:
        await request.app.state.held.wait()

    @application.post("/body")
    async def body(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @application.get("/stream")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"line\n"
                    await asyncio.sleep(0.01)
            finally:
                application.state.streaming.set()

        return StreamingResponse(lines(), media_type="text/plain")

    return application


@pytest_asyncio.fixture(loop_scope="function")
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApplication]:
    """A server of an example application, with few connections."""
    monkeypatch.setattr(server, "max_connections", lambda: LIMIT)
    application = create_application()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        found = ServedApplication(listener.getsockname()[1], BoundedServer(application))
        application.state.held = found.held
        serving = asyncio.create_task(found.server.serve([listener]))
        yield found
        found.held.set()
        found.server.should_exit = True
        await serving


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients take half a second where they may take ten or more."""
    for name in ("_HEAD_SECONDS", "_BODY_SECONDS", "_LINGER_SECONDS", "_SEND_SECONDS"):
        monkeypatch.setattr(server, name, 0.5)


SLOW_HEADS = {
    "nothing": b"",
    "a part of a head": b"GET / HTTP/1.1\r\nhost: x\r\n",
    "a part of the second head": b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT",
    "a part of a body": b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
    "a part of a chunk": b"POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc",
    "a part of a body that nobody reads": b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", SLOW_HEADS.values(), ids=SLOW_HEADS.keys())
async def test_a_client_that_sends_only_a_part_is_disconnected(
    served: ServedApplication, sent: bytes
) -> None:
    await served.read_to_end(sent)
    await served.wait_for_connections(0)


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_sends_byte_by_byte_is_disconnected(served: ServedApplication) -> None:
    reader, writer = await served.connect()
    reading = asyncio.create_task(read_all(reader))
    writer.write(b"GET / HTTP/1.1\r\nx-padding: ")
    while not reading.done():
        writer.write(b"x")
        await asyncio.sleep(0.05)
    assert reading.result() == b""


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_does_not_read_its_answer_is_disconnected(served: ServedApplication) -> None:
    _, writer = await served.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    await served.wait_for_connections(1)
    await served.wait_for_connections(0)
    writer.close()


async def test_a_connection_holds_little_of_a_body_that_nobody_reads(served: ServedApplication) -> None:
    request = b"POST /held HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n" + bytes(1_000_000)
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(request))
        # All of it is there before the server reads for the first time.
        assert client.send(request, socket.MSG_DONTWAIT) > HELD_BYTES
        await served.wait_for_connections(1)
        (connection,) = served.server.server_state.connections
        assert isinstance(connection, BoundedConnection)
        async with asyncio.timeout(SECONDS):
            while connection.transport.is_reading():
                await asyncio.sleep(0.01)
        assert len(connection.cycle.body) + len(connection.conn.trailing_data[0]) <= HELD_BYTES


@pytest.mark.usefixtures("impatient")
async def test_a_slow_answer_is_awaited(served: ServedApplication) -> None:
    asking = asyncio.create_task(served.get("/held"))
    await served.wait_for_connections(1)
    # Longer than any client may be slow: there is no event for a connection that was not closed.
    await asyncio.sleep(2)
    served.held.set()
    assert (await asking).text == "held"


async def test_one_connection_too_many_is_answered_with_503(served: ServedApplication) -> None:
    silent = await served.connect_silently(LIMIT)
    answer = await served.get()
    assert (answer.status_code, answer.json()) == (503, PROBLEM)
    assert answer.headers["content-type"] == "application/problem+json"
    silent[0].close()
    await served.wait_for_connections(LIMIT - 1)
    assert (await served.get()).text == "short"


async def test_far_too_many_connections_are_answered_with_503_unread(served: ServedApplication) -> None:
    for writer in await served.connect_silently(LIMIT + LIMIT // 2):
        assert not writer.is_closing()
    reader, _ = await served.connect()
    head, _, body = (await read_all(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert httpx.Response(503, content=body).json() == PROBLEM


async def test_requests_of_clients_that_left_are_bounded_too(served: ServedApplication) -> None:
    for running in range(1, LIMIT + 1):
        _, writer = await served.connect()
        writer.write(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            while len(served.server.server_state.tasks) != running:
                await asyncio.sleep(0.01)
        writer.close()
        await served.wait_for_connections(0)
    assert (await served.get()).status_code == 503
    served.held.set()


@pytest.mark.parametrize("path", ["/", "/stream", "/nowhere"])
async def test_head_has_the_status_and_headers_of_get_and_no_body(
    served: ServedApplication, path: str
) -> None:
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        head = await client.head(served.url + path)
        async with client.stream("GET", served.url + path) as get:
            expected = {name: value for name, value in get.headers.items() if name != "date"}
        assert head.status_code == get.status_code
    assert {name: value for name, value in head.headers.items() if name != "date"} == expected
    assert head.content == b""


async def test_head_of_a_stream_ends_the_stream(served: ServedApplication) -> None:
    application: Any = served.server.config.app
    async with httpx.AsyncClient(timeout=SECONDS) as client, asyncio.timeout(SECONDS):
        await client.head(f"{served.url}/stream")
        await application.state.streaming.wait()
