"""The answer to a report while Kafka is down, and a body that never ends."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from messaging import database
from messaging.config import Config
from messaging.producer import AtLeastOnceProducer
from services.broadcast import store
from services.broadcast.batch_changes import BatchChanges
from services.broadcast.http import quality
from services.runtime.http import auth, bodies, problems
from tests.broadcast.domain.stage_builder import HOST, ROOM, StageScript, stage_changed

NOWHERE = "127.0.0.1:1"
PATH = f"/v1/rooms/{ROOM}/stage/quality"
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    config = Config("", database_url, "broadcast")
    created = await database.create_pool(config, size=1)
    stage = StageScript()(stage_changed()).stage
    assert stage is not None
    changes = BatchChanges()
    changes.add_difference(None, stage)
    async with created.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
        await connection.execute("TRUNCATE rooms, members")
        await store.save_changes(connection, changes)
    yield created
    await created.close()


async def authenticate_host(request: Request) -> None:
    request.state.caller = auth.Caller(HOST, is_ops=False)


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    """The host's client of the route, whose Kafka is down."""
    application = FastAPI()
    problems.install_handlers(application)
    producer = AtLeastOnceProducer(Config(NOWHERE, "", "broadcast"), "/cohost/broadcast")
    application.include_router(
        quality.create_quality_router(pool, producer), dependencies=[Depends(authenticate_host)]
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://broadcast") as opened:
        yield opened
    await producer.stop()


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


async def test_a_report_is_to_be_sent_again_while_kafka_is_down(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        answer = await client.post(PATH, json={"quality": "good"})
    assert problem_of(answer) == (503, "unavailable")


class EndlessBody:
    """A body that never ends, and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < 100 * MEBIBYTE:
            self.taken += MEBIBYTE
            yield bytes(MEBIBYTE)


async def test_a_large_report_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    body = EndlessBody()
    assert problem_of(await client.post(PATH, content=body)) == (413, "too_large")
    assert body.taken <= 3 * MEBIBYTE


async def test_a_slow_report_is_refused(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_READ_SECONDS", 0.05)

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with asyncio.timeout(60):
        answer = await client.post(PATH, content=slow_body())
    assert problem_of(answer) == (400, "invalid_request")
