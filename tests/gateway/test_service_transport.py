"""Requests to the services over aiohttp's connections: sent as they are, answered as they were."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from aiohttp import web

from services.gateway.service_transport import ServiceTransport


@dataclass
class RecordingServer:
    """A server that records requests, and answers them with `answer`."""

    url: str = ""
    answer: web.Response = field(default_factory=web.Response)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.raw_path, headers, await request.read()))
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    recording = RecordingServer()
    runner = web.ServerRunner(web.Server(recording.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    recording.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield recording
    await runner.cleanup()


@pytest.fixture
async def client(server: RecordingServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=server.url, transport=ServiceTransport(), trust_env=False
    ) as opened:
        yield opened


async def test_a_request_arrives_as_it_was_made(server: RecordingServer, client: httpx.AsyncClient) -> None:
    url = httpx.URL("/v1/a%2Fb/%2E%2E", query=b"cursor=a%2Bb")
    await client.request("POST", url, headers={"authorization": "Bearer t"}, content=b'{"a":1}')
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("POST", "/v1/a%2Fb/%2E%2E?cursor=a%2Bb", b'{"a":1}')
    assert headers["authorization"] == "Bearer t"
    assert headers["content-length"] == "7"


async def test_an_answer_comes_back_as_it_is(server: RecordingServer, client: httpx.AsyncClient) -> None:
    server.answer = web.Response(status=307, headers={"Location": "/other", "Retry-After": "2"}, body=b"x")
    answer = await client.get("/")
    assert (answer.status_code, answer.content) == (307, b"x")
    assert (answer.headers["location"], answer.headers["retry-after"]) == ("/other", "2")


async def test_a_compressed_answer_is_read(server: RecordingServer, client: httpx.AsyncClient) -> None:
    server.answer = web.Response(body=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"})
    assert (await client.get("/")).json() == {"a": 1}


async def test_cookies_are_not_kept(server: RecordingServer, client: httpx.AsyncClient) -> None:
    server.answer = web.Response()
    server.answer.set_cookie("session", "alice")
    await ServiceTransport.handle_async_request(
        client._transport,  # type: ignore[arg-type] # noqa: SLF001 - without httpx's own cookies
        client.build_request("GET", "/"),
    )
    server.answer = web.Response()
    await client.get("/")
    assert all("cookie" not in headers for _, _, headers, _ in server.requests)


async def test_a_server_that_is_away_is_a_transport_error(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.TransportError):
        await client.get("http://127.0.0.1:9/")
