"""Keys of callers behind a URL: fetched at start, and again for an unknown key, at most once a minute."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest

from services.runtime import startup_checks
from services.runtime.http import jwks_url
from services.runtime.startup_checks import WrongSetting
from tests.runtime import example_service
from tests.runtime.example_service import bearer_headers
from tests.runtime.key_server import KeyServer, SigningKey, running_key_server

FIRST, SECOND, THIRD = SigningKey("first"), SigningKey("second"), SigningKey("third")
PATH = "/v1/rooms/room/example"


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    """A server of the first key."""
    async with running_key_server() as found:
        found.serve_keys(FIRST)
        yield found


@pytest.fixture
async def client(pool: asyncpg.Pool, key_server: KeyServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that has fetched the first key."""
    chosen = example_service.example_settings(jwks_url=key_server.url, jwt_secret=None)
    application = example_service.example_application(pool, example_service.FakePipeline(), chosen)
    await startup_checks.fetch_keys(application.state.authenticator)
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock by which keys are fetched again."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(jwks_url.time, "monotonic", lambda: clock.now)
    return clock


async def status(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get(PATH, headers=headers)).status_code


async def test_a_fetched_key_verifies_tokens(client: httpx.AsyncClient, key_server: KeyServer) -> None:
    assert await status(client, FIRST.headers()) == 200
    assert await status(client, SigningKey("first").headers()) == 401
    assert await status(client, bearer_headers()) == 401
    assert len(key_server.requests) == 1


async def test_an_unknown_key_is_fetched_and_removed_keys_are_forgotten(
    client: httpx.AsyncClient, key_server: KeyServer
) -> None:
    key_server.serve_keys(SECOND)
    assert await status(client, SECOND.headers()) == 200
    assert await status(client, FIRST.headers()) == 401
    assert len(key_server.requests) == 2


async def test_keys_are_fetched_at_most_once_a_minute(
    client: httpx.AsyncClient, key_server: KeyServer, clock: SimpleNamespace
) -> None:
    assert [await status(client, SECOND.headers()) for _ in range(3)] == [401] * 3
    key_server.serve_keys(FIRST, SECOND)
    clock.now += 59
    assert await status(client, SECOND.headers()) == 401
    assert len(key_server.requests) == 2
    clock.now += 1
    assert await status(client, SECOND.headers()) == 200
    assert await status(client, FIRST.headers()) == 200
    assert len(key_server.requests) == 3


async def test_requests_with_unknown_keys_share_one_fetch(
    client: httpx.AsyncClient, key_server: KeyServer
) -> None:
    key_server.serve_keys(FIRST, SECOND, THIRD)
    asking = [status(client, key.headers()) for key in (SECOND, THIRD) * 10]
    assert set(await asyncio.gather(*asking)) == {200}
    assert len(key_server.requests) == 2


@pytest.mark.parametrize("body", [b"", b"{}", b'{"keys": []}', b"\xff"])
async def test_known_keys_stay_while_no_others_can_be_fetched(
    client: httpx.AsyncClient, key_server: KeyServer, body: bytes
) -> None:
    key_server.serve_body(body)
    assert await status(client, SECOND.headers()) == 401
    assert await status(client, FIRST.headers()) == 200


async def test_others_are_answered_while_keys_are_fetched(
    client: httpx.AsyncClient, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks_url, "_FETCH_SECONDS", 60)
    key_server.answer = None
    asking = asyncio.create_task(status(client, SECOND.headers()))
    while len(key_server.requests) < 2:
        await asyncio.sleep(0.01)
    assert await status(client, FIRST.headers()) == 200
    assert not asking.done()
    key_server.close_unanswered()
    assert await asking == 401


WRONG_ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "not found": ({"body": b"{}", "status": "404 Not Found"}, "status 404"),
    "a redirect": ({"body": b"", "status": "302 Found", "headers": "location: /other\r\n"}, "status 302"),
    "no JSON": ({"body": b"<html>"}, "the answer is not JSON"),
    "nested too deeply": ({"body": b"[" * 100_000}, "the answer is not JSON"),
    "compressed": ({"body": b"\x1f\x8b", "headers": "content-encoding: gzip\r\n"}, "the answer is not JSON"),
    "no object": ({"body": b"[]"}, "no public RS256 or ES256 key in it"),
    "no key": ({"body": b'{"keys": []}'}, "no public RS256 or ES256 key in it"),
    "too large": ({"body": json.dumps("x" * 2_000_000).encode()}, "more than 1048576 bytes"),
}


@pytest.mark.parametrize(("answer", "error"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
async def test_a_start_without_keys_fails_with_the_reason(
    key_server: KeyServer, answer: dict[str, Any], error: str
) -> None:
    key_server.serve_body(**answer)
    chosen = example_service.example_settings(jwks_url=key_server.url)
    with pytest.raises(WrongSetting) as raised:
        await startup_checks.fetch_keys(chosen.build_authenticator())
    assert str(raised.value) == f"COHOST_JWKS_URL: {error}"


async def test_a_start_waits_five_seconds_for_keys(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jwks_url._FETCH_SECONDS == 5  # noqa: SLF001 - shortened below
    monkeypatch.setattr(jwks_url, "_FETCH_SECONDS", 0.2)
    key_server.answer = None
    chosen = example_service.example_settings(jwks_url=key_server.url)
    with pytest.raises(WrongSetting, match=r"COHOST_JWKS_URL: no answer within 0\.2 s"):
        await startup_checks.fetch_keys(chosen.build_authenticator())


async def test_keys_are_not_fetched_through_a_proxy_of_the_environment(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    chosen = example_service.example_settings(jwks_url=key_server.url)
    await startup_checks.fetch_keys(chosen.build_authenticator())
    assert len(key_server.requests) == 1
