"""Receive LiveKit's webhooks: verify, map and write each to the signals topic, and answer only then."""

import asyncio

from fastapi import APIRouter, Request

from cohost_schemas import ids, signals, topics
from messaging.errors import NotConfirmed
from messaging.producer import AtLeastOnceProducer
from services.broadcast.livekit.client import LiveKitClient, UnsignedWebhook
from services.broadcast.metrics import LiveKitMetrics
from services.runtime.http import problems
from services.runtime.http.problems import HttpProblem

_READ_SECONDS = 4.0
_WRITE_SECONDS = 4.0
_MAX_ID_LENGTH = 64
_MAX_BODY_BYTES = 4 * 1024 * 1024
"""The metadata of a room and of a participant may take half a mebibyte each."""
_MAX_READ_AT_ONCE = 8


def create_webhook_router(
    livekit: LiveKitClient, producer: AtLeastOnceProducer, metrics: LiveKitMetrics
) -> APIRouter:
    """Return the route that LiveKit posts to."""
    routes = APIRouter(tags=["livekit"])
    # Bounds the memory that bodies take.
    reading = asyncio.Semaphore(_MAX_READ_AT_ONCE)

    @routes.post("/livekit/webhook", responses=problems.problem_responses(401, 503))
    async def webhook(request: Request) -> dict[str, str]:
        """Accept a report of LiveKit, which sends it again when it is answered with 503."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                parsed = await _read_report(livekit, request, reading)
        except UnsignedWebhook as error:
            metrics.webhooks.labels("unsigned").inc()
            raise HttpProblem(401, "unauthorized", "The webhook is not signed with our API key.") from error
        except TimeoutError as error:
            metrics.webhooks.labels("unavailable").inc()
            raise HttpProblem(
                503, "unavailable", "The body took too long; send the webhook again."
            ) from error
        if parsed is None:
            metrics.webhooks.labels("ignored").inc()
            return {"status": "ignored"}
        signal_id, report = parsed
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await producer.send_message(
                    topics.BROADCAST_SIGNALS, _usable_id(signal_id), report, report.room_id
                )
        except (NotConfirmed, TimeoutError) as error:
            metrics.webhooks.labels("unavailable").inc()
            raise HttpProblem(503, "unavailable", "Kafka is unavailable; send the webhook again.") from error
        metrics.webhooks.labels("written").inc()
        return {"status": "written"}

    return routes


async def _read_report(
    livekit: LiveKitClient, request: Request, reading: asyncio.Semaphore
) -> tuple[str, signals.WebhookReport] | None:
    """Return what `LiveKitClient.read_webhook` returns. Raises `UnsignedWebhook`."""
    authorization = request.headers.get("authorization", "")
    # Before the body, which anybody may send.
    livekit.check_webhook_token(authorization)
    async with reading:
        return livekit.read_webhook(await _read_body(request), authorization)


async def _read_body(request: Request) -> bytes:
    """Return the body. Raises `UnsignedWebhook` if it is larger than any that LiveKit sends."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise UnsignedWebhook
    return bytes(body)


def _usable_id(event_id: str) -> str:
    return event_id if 0 < len(event_id) <= _MAX_ID_LENGTH else ids.uuid7()
