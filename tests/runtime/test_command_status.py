"""Command outcomes from a real database, and readiness on real servers."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from cohost_schemas.rejections import SUMMARY_FIELDS
from messaging import database, outcomes
from services.runtime import readiness
from services.runtime.http import db
from tests.runtime import example_service
from tests.runtime.example_service import bearer_headers

AT = "2026-01-01T12:00:00.007Z"
ACCEPTED: outcomes.OutcomeRow = (
    "c-1",
    "cohost.SendInvitation.v1",
    AT,
    "room-1",
    "c-1",
    "alice",
    "InvitationExpired,InvitationSent",
    None,
    None,
    None,
)
REJECTED: outcomes.OutcomeRow = (
    "c-2",
    "cohost.AcceptInvitation.v1",
    AT,
    "room-1",
    "c-1",
    "bob",
    None,
    "user_not_eligible",
    None,
    "banned",
)
ODD: outcomes.OutcomeRow = (
    *("a/b ä?#%", "Odd", AT, None, None, None, None),
    *("unknown_command", "It is odd.", None),
)
ANSWERS = {
    "c-1": {
        "commandId": "c-1",
        "commandType": "cohost.SendInvitation.v1",
        "outcome": "accepted",
        "decidedAt": AT,
        "roomId": "room-1",
        "invitationId": "c-1",
        "actorId": "alice",
        "events": ["cohost.InvitationExpired.v1", "cohost.InvitationSent.v1"],
        "reason": None,
        "message": None,
    },
    "c-2": {
        "commandId": "c-2",
        "commandType": "cohost.AcceptInvitation.v1",
        "outcome": "rejected",
        "decidedAt": AT,
        "roomId": "room-1",
        "invitationId": "c-1",
        "actorId": "bob",
        "events": [],
        "reason": "user_not_eligible",
        "message": "The user may not be invited or seated.",
    },
    "a/b ä?#%": {
        "commandId": "a/b ä?#%",
        "commandType": "Odd",
        "outcome": "rejected",
        "decidedAt": AT,
        "roomId": None,
        "invitationId": None,
        "actorId": None,
        "events": [],
        "reason": "unknown_command",
        "message": "It is odd.",
    },
}
DETAILS = {"c-1": None, "c-2": "banned", "a/b ä?#%": None}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await database.create_pool(
        example_service.example_settings(database_url=database_url).pipeline_config("example"), 2
    )
    yield pool
    pool.terminate()


@pytest.fixture
async def migrated(pool: asyncpg.Pool, database_url: str) -> asyncpg.Pool:
    config = example_service.example_settings(database_url=database_url).pipeline_config("example")
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging")
        await outcomes.insert_outcomes(connection, SUMMARY_FIELDS, [ACCEPTED, REJECTED, ODD])
    return pool


def open_client(pool: asyncpg.Pool, *, facts: bool = True, **settings: str) -> httpx.AsyncClient:
    application = example_service.example_application(
        pool, example_service.FakePipeline(facts=facts), example_service.example_settings(**settings)
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://example")


async def get_command(pool: asyncpg.Pool, command_id: str, headers: dict[str, str]) -> httpx.Response:
    async with open_client(pool) as client:
        return await client.get(f"/v1/commands/{quote(command_id, safe='')}", headers=headers)


@pytest.mark.parametrize("command_id", ANSWERS)
async def test_ops_may_read_any_command_outcome(migrated: asyncpg.Pool, command_id: str) -> None:
    answer = await get_command(migrated, command_id, bearer_headers("ops", scope="cohost:ops"))
    expected = {**ANSWERS[command_id], "detail": DETAILS[command_id]}
    assert (answer.status_code, answer.json()) == (200, expected)


@pytest.mark.parametrize(("command_id", "actor"), [("c-1", "alice"), ("c-2", "bob")])
async def test_the_actor_may_read_a_command_outcome(
    migrated: asyncpg.Pool, command_id: str, actor: str
) -> None:
    assert (await get_command(migrated, command_id, bearer_headers(actor))).json() == ANSWERS[command_id]


@pytest.mark.parametrize(("command_id", "other"), [("c-1", "bob"), ("c-2", "alice"), ("a/b ä?#%", "alice")])
async def test_other_users_may_not_read_a_command_outcome(
    migrated: asyncpg.Pool, command_id: str, other: str
) -> None:
    answer = await get_command(migrated, command_id, bearer_headers(other))
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")


@pytest.mark.parametrize("command_id", ["c-3", "c-1 ", "C-1", "'; DROP TABLE outcomes; --"])
async def test_an_undecided_command_is_not_found(migrated: asyncpg.Pool, command_id: str) -> None:
    for headers in (bearer_headers("alice"), bearer_headers("ops", scope="cohost:ops")):
        answer = await get_command(migrated, command_id, headers)
        assert (answer.status_code, answer.json()["reason"]) == (404, "command_not_found")


async def test_before_the_migrations_the_service_is_unavailable(
    pool: asyncpg.Pool,
) -> None:
    answer = await get_command(pool, "c-1", bearer_headers())
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


async def test_every_request_is_answered_while_the_database_hangs(
    migrated: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_TIMEOUT_SECONDS", 0.3)
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE example.outcomes")
        # More requests than connections: the last ones wait for the first ones.
        answers = await asyncio.gather(
            *[get_command(migrated, "c-1", bearer_headers("alice")) for _ in range(8)]
        )
    assert {(answer.status_code, answer.json()["reason"]) for answer in answers} == {(503, "unavailable")}
    monkeypatch.undo()
    assert (await get_command(migrated, "c-1", bearer_headers("alice"))).status_code == 200
    await holder.close()


@pytest.mark.parametrize(("status", "word"), [(200, "ready"), (503, "not ready")])
async def test_the_service_is_ready_when_every_part_is_up(
    pool: asyncpg.Pool, kafka: str, status: int, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_CHECK_SECONDS", 60)
    facts = status == 200
    async with open_client(pool, facts=facts, kafka_bootstrap_servers=kafka) as client:
        answer = await client.get("/readyz")
    assert answer.json() == {
        "status": word,
        "parts": {"lanes": True, "facts": facts, "kafka": True, "database": True},
    }
    assert answer.status_code == status
