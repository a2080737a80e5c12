"""The client reads from its own machine directly, and from others through the environment's proxy."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cohost.http_reader import HttpReader

BODY = b'{"items": []}'


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server, or of a proxy, by which no room has co-hosts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + BODY)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def partial_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name another host to be reached without a proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.com")


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_service_on_this_machine_is_read_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, port: int, host: str, proxy: str
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, proxy)
    reader = HttpReader(f"http://{host}:{port}", None, None, 10)
    assert await reader.co_hosts("room") == ()
    await reader.close()


async def test_a_service_elsewhere_is_read_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    reader = HttpReader("http://service.invalid", None, None, 10)
    assert await reader.co_hosts("room") == ()
    await reader.close()
