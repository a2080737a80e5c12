"""The webhook's answers, without the service around it."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from livekit import api
from prometheus_client import CollectorRegistry

from messaging.config import Config
from messaging.producer import AtLeastOnceProducer
from services.broadcast.http import webhook
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from services.runtime.http import problems

KEY, SECRET = "devkey", "a secret that only the tests know, and LiveKit"
MEBIBYTE = 1024 * 1024
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def client() -> httpx.AsyncClient:
    """A client of a webhook route whose Kafka is down."""
    application = FastAPI()
    problems.install_handlers(application)
    metrics = LiveKitMetrics(CollectorRegistry())
    livekit = LiveKitClient("ws://nowhere", KEY, SECRET, 1, metrics)
    producer = AtLeastOnceProducer(Config(NOWHERE, "", "broadcast"), "/cohost/broadcast")
    application.include_router(webhook.create_webhook_router(livekit, producer, metrics))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://broadcast")


def sign_body(body: bytes, *, secret: str = SECRET) -> str:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return api.AccessToken(KEY, secret).with_sha256(digest).to_jwt()


async def post_webhook(
    client: httpx.AsyncClient, event: dict[str, object], *, signed: bool = True
) -> httpx.Response:
    body = json.dumps(event).encode()
    token = sign_body(body)
    headers = {"content-type": "application/webhook+json", **({"authorization": token} if signed else {})}
    async with asyncio.timeout(60):
        return await client.post("/livekit/webhook", content=body, headers=headers)


async def test_livekit_is_asked_to_retry_while_kafka_is_down(client: httpx.AsyncClient) -> None:
    answer = await post_webhook(
        client, {"event": "room_finished", "id": "EV_1", "room": {"name": "room", "sid": "RM_1"}}
    )
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


async def test_unused_webhooks_are_accepted_during_an_outage(client: httpx.AsyncClient) -> None:
    assert (await post_webhook(client, {"event": "room_started"})).status_code == 200


class EndlessBody:
    """A body that never ends, and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < 100 * MEBIBYTE:
            self.taken += MEBIBYTE
            yield bytes(MEBIBYTE)


async def test_an_oversized_webhook_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    body = EndlessBody()
    answer = await client.post("/livekit/webhook", content=body, headers={"authorization": sign_body(b"")})
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
    assert body.taken < 10 * MEBIBYTE


@pytest.mark.parametrize(
    "token",
    [
        None,
        "none",
        sign_body(b"", secret="another secret of more than thirty bytes"),
        api.AccessToken("another key", SECRET).with_sha256("AAAA").to_jwt(),
        api.AccessToken(KEY, SECRET).with_sha256("AAAA").with_ttl(timedelta(hours=-1)).to_jwt(),
        api.AccessToken(KEY, SECRET).to_jwt(),
    ],
)
async def test_nothing_is_read_of_a_body_that_livekit_did_not_sign(
    client: httpx.AsyncClient, token: str | None
) -> None:
    body = EndlessBody()
    headers = {} if token is None else {"authorization": token}
    answer = await client.post("/livekit/webhook", content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"], body.taken) == (401, "unauthorized", 0)


async def test_a_body_that_comes_too_slowly_is_asked_for_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_READ_SECONDS", 0.2)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        answer = await client.post(
            "/livekit/webhook", content=stalled(), headers={"authorization": sign_body(b"{}")}
        )
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


async def test_few_bodies_are_read_at_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_READ_SECONDS", 60)
    begun, released = 0, asyncio.Event()

    async def counted() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        await released.wait()
        yield b"{}"

    headers = {"authorization": sign_body(b"{}")}
    async with asyncio.timeout(60):
        posting = [
            asyncio.create_task(client.post("/livekit/webhook", content=counted(), headers=headers))
            for _ in range(20)
        ]
        while begun < 8:
            await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert begun == 8
        released.set()
        answers = await asyncio.gather(*posting)
    assert {answer.status_code for answer in answers} == {200}


async def test_an_unsigned_webhook_is_refused_whatever_its_content(client: httpx.AsyncClient) -> None:
    answer = await post_webhook(client, {"event": "room_started"}, signed=False)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
