"""Copies of the gateway's streams over HTTP, on a real Kafka, with invitations played by the test."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import jwt
from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from services.gateway.http.streams import create_stream_router
from services.gateway.services import ServiceProxy
from services.gateway.settings import GatewaySettings
from services.gateway.streams.event_hub import EventHub
from services.gateway.streams.metrics import StreamMetrics
from services.gateway.topology import TOPICS
from services.runtime.http import fastapi_app
from services.runtime.http.server import BoundedServer
from services.runtime.readiness import Readiness
from tests.gateway.streams.stream_log import time_of

SECONDS = 60
SECRET = "a secret of the tests, long enough for PyJWT"


class StreamEvent(NamedTuple):
    """An event as a browser would take it; `id` is its position."""

    name: str
    data: Any
    id: str


@dataclass
class FakeInvitations:
    """Invitations with the hosts of rooms: the sequence of a change, its second, and the host."""

    hosts: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    is_away: bool = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("refused")  # noqa: EM101
        self.tokens.append(request.headers["authorization"])
        room = request.url.path.split("/")[3]
        if room not in self.hosts:
            return httpx.Response(404, json={"status": 404, "reason": "room_not_found"})
        items = [
            {"sequence": sequence, "since": time_of(second), "hostId": host}
            for sequence, second, host in self.hosts[room]
        ]
        return httpx.Response(200, json={"items": items})


@dataclass
class GatewayCopy:
    """A copy that serves streams on a port of its own."""

    url: str
    hub: EventHub
    registry: CollectorRegistry
    server: BoundedServer
    web: httpx.AsyncClient

    async def wait_until_ready(self) -> None:
        async with asyncio.timeout(SECONDS):
            while not self.hub.is_ready:
                await asyncio.sleep(0.01)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    @asynccontextmanager
    async def open(self, path: str, user: str, **options: Any) -> AsyncIterator["EventReader"]:
        """Open a stream and read its first event, `ready`."""
        headers = stream_headers(user, **options)
        async with self.web.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            reader = EventReader(answer)
            reader.ready = await reader.next_event()
            assert (reader.ready.name, reader.ready.data) == ("ready", {})
            yield reader

    async def request(
        self, path: str, user: str | None, method: str = "GET", **options: Any
    ) -> httpx.Response:
        """Return an answer that is no stream."""
        headers = {} if user is None else stream_headers(user, **options)
        return await self.web.request(method, path, headers=headers)


class EventReader:
    """Reads a stream as a browser does."""

    ready: StreamEvent

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._lines = answer.aiter_lines()

    async def next_event(self) -> StreamEvent:
        """Return the next event. Raises `StopAsyncIteration` at the end of the stream."""
        fields: dict[str, str] = {}
        while (line := await self.next_line()) or not fields:
            if line:
                name, _, value = line.partition(": ")
                assert name not in fields
                fields[name] = value
        return StreamEvent(fields["event"], json.loads(fields["data"]), fields["id"])

    async def next_line(self) -> str:
        """Return the next line, empty for a comment."""
        async with asyncio.timeout(SECONDS):
            line = await anext(self._lines)
        if line.startswith(":"):
            self.comments.append(line)
            return ""
        return line

    async def take(self, count: int) -> list[StreamEvent]:
        return [await self.next_event() for _ in range(count)]


def stream_headers(
    user: str, *, after: str | None = None, ops: bool = False, seconds: float = 600
) -> dict[str, str]:
    claims = {"sub": user, "exp": time.time() + seconds, **({"scope": "cohost:ops"} if ops else {})}
    token = jwt.encode(claims, SECRET, "HS256")
    return {"Authorization": f"Bearer {token}", **({} if after is None else {"Last-Event-ID": after})}


@asynccontextmanager
async def run_copy(connection: KafkaConnection, invitations: FakeInvitations) -> AsyncIterator[GatewayCopy]:
    """Run a copy; it may not be ready yet."""
    registry = CollectorRegistry()
    hub = EventHub(connection, StreamMetrics(registry))
    proxy = ServiceProxy("invitations", "http://invitations", httpx.MockTransport(invitations.answer))
    settings = GatewaySettings(
        jwt_secret=SECRET, invitations_url="http://invitations", broadcast_url="http://broadcast"
    )
    application = fastapi_app.create_process_app(
        "Streams",
        settings=settings,
        registry=registry,
        readiness=Readiness({}, dict),
        topology=TOPICS,
        routers=[create_stream_router(hub, proxy)],
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = BoundedServer(application, 1000)
        reading = asyncio.create_task(hub.run())
        serving = asyncio.create_task(server.serve([listener]))
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False) as web:
                yield GatewayCopy(url, hub, registry, server, web)
        finally:
            hub.stop()
            server.should_exit = True
            await serving
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            await proxy.close()
