"""A copy of the gateway with what it shows ops of the log."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from services.gateway.ops import log_routes
from services.gateway.ops.history.history_reader import RoomHistoryReader
from services.gateway.ops.log_view import LogView
from services.gateway.settings import GatewaySettings
from services.gateway.streams.event_hub import EventHub
from services.gateway.streams.metrics import StreamMetrics
from services.runtime.http import fastapi_app
from services.runtime.readiness import Readiness

SECRET = "a secret of the tests, long enough for PyJWT"
SECONDS = 60


@dataclass
class OpsCopy:
    """A copy, and a caller of it."""

    view: LogView
    web: httpx.AsyncClient

    async def request(
        self, path: str, scope: str | None = "cohost:ops", method: str = "GET", **params: Any
    ) -> httpx.Response:
        claims = {"sub": "olga", "exp": time.time() + 600, **({"scope": scope} if scope else {})}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
        return await self.web.request(method, f"/v1/ops/{path}", headers=headers, params=params)

    async def read(self, path: str, **params: Any) -> Any:
        """Return the body of an answer."""
        answer = await self.request(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def wait_for_count(self, name: str, count: int) -> Any:
        """Return the activity once that many records of a name were counted."""
        async with asyncio.timeout(SECONDS):
            while True:
                activity = await self.read("activity")
                if sum(sample[name] for sample in activity["samples"]) >= count:
                    return activity
                await asyncio.sleep(0.05)

    async def history(self, room: str, **params: Any) -> Any:
        return await self.read(f"rooms/{room}/history", **params)


def patient_view(connection: KafkaConnection) -> LogView:
    """Return a view whose histories may take longer than a request may, as they do on a busy machine."""
    view = LogView(connection)
    view.history = RoomHistoryReader(connection, max_seconds=SECONDS)
    return view


@asynccontextmanager
async def run_copy(connection: KafkaConnection, view: LogView | None = None) -> AsyncIterator[OpsCopy]:
    """Run a copy until it counts, and during the block."""
    view = view or LogView(connection)
    registry = CollectorRegistry()
    hub = EventHub(connection, StreamMetrics(registry), view.activity)
    settings = GatewaySettings(
        jwt_secret=SECRET, invitations_url="http://invitations", broadcast_url="http://broadcast"
    )
    application = fastapi_app.create_process_app(
        "Ops",
        settings=settings,
        registry=registry,
        readiness=Readiness({}, dict),
        topology=None,
        routers=[log_routes.create_log_router(view)],
    )
    readers = [asyncio.create_task(hub.run()), asyncio.create_task(view.run())]
    transport = httpx.ASGITransport(application)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
            async with asyncio.timeout(SECONDS):
                while view.activity.since is None:
                    await asyncio.sleep(0.02)
            yield OpsCopy(view, web)
    finally:
        for reader in readers:
            reader.cancel()
        for reader in readers:
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        await view.close()
