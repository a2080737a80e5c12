"""The whole service in the tests' process, and clients of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import cohost
from services.invitations import app
from services.invitations.settings import InvitationsSettings
from stack import Stack

PARTITIONS = 3
SECONDS = 180


def accepting_settings(stack: Stack, database_url: str, prefix: str) -> InvitationsSettings:
    """Return the settings of a service that accepts unknown users."""
    return InvitationsSettings.model_validate(
        {
            "kafka_bootstrap_servers": stack.kafka_bootstrap_servers,
            "database_url": database_url,
            "topic_prefix": prefix,
            "partitions": PARTITIONS,
            "jwt_secret": "a secret of the tests, long enough for PyJWT",
            "unknown_users": "accept",
        }
    )


def open_client(service_settings: InvitationsSettings) -> cohost.Client:
    """Return a client of the service with these settings, to be entered."""
    return cohost.Client(
        service_settings.kafka_bootstrap_servers, prefix=service_settings.topic_prefix, timeout=30
    )


async def next_event(events: cohost.Stream[cohost.Event], kind: type[Any]) -> Any:
    """Return the data of the next event of a type."""
    async with asyncio.timeout(SECONDS):
        async for event in events:
            if isinstance(event.data, kind):
                return event.data
    return None


@contextlib.asynccontextmanager
async def run_in_process(settings: InvitationsSettings) -> AsyncIterator[None]:
    """Run the service as its process does, without listening on a port."""
    service = await app.build_service(settings, app.create_broker(settings))
    running = asyncio.create_task(service.main.run())
    background = [asyncio.create_task(work()) for work in service.background]
    try:
        async with asyncio.timeout(SECONDS):
            while not service.main.is_ready:
                assert not running.done()
                await asyncio.sleep(0.05)
        yield
    finally:
        service.main.stop()
        await running
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for close in service.closers:
            await close()
