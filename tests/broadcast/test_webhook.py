"""The webhook's answers, without the service around it."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator

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


async def post_webhook(
    client: httpx.AsyncClient, event: dict[str, object], *, signed: bool = True
) -> httpx.Response:
    body = json.dumps(event).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken(KEY, SECRET).with_sha256(digest).to_jwt()
    headers = {"content-type": "application/webhook+json", **({"authorization": token} if signed else {})}
    async with asyncio.timeout(10):
        return await client.post("/livekit/webhook", content=body, headers=headers)


async def test_livekit_is_asked_to_retry_while_kafka_is_down(client: httpx.AsyncClient) -> None:
    answer = await post_webhook(
        client, {"event": "room_finished", "id": "EV_1", "room": {"name": "room", "sid": "RM_1"}}
    )
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


async def test_unused_webhooks_are_accepted_during_an_outage(client: httpx.AsyncClient) -> None:
    assert (await post_webhook(client, {"event": "room_started"})).status_code == 200


async def test_an_oversized_webhook_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * MEBIBYTE:
            sent += MEBIBYTE
            yield bytes(MEBIBYTE)

    answer = await client.post("/livekit/webhook", content=endless(), headers={"authorization": "none"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
    assert sent < 10 * MEBIBYTE


async def test_an_unsigned_webhook_is_refused_whatever_its_content(client: httpx.AsyncClient) -> None:
    answer = await post_webhook(client, {"event": "room_started"}, signed=False)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
