"""Postgres switched over to a standby, under load."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import asyncpg
import pytest

from messaging import database
from messaging.config import Config
from messaging.pipeline import Pipeline
from services.runtime.readiness import pipeline_readiness
from tests.messaging.pipeline_in_process import fetch_rows, running_pipeline, wait_until
from tests.messaging.postgres_pair import PostgresPair, running_pair
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[PostgresPair]:
    async with running_pair(tmp_path) as pair:
        yield pair


@pytest.fixture
async def fleet(kafka: str, pair: PostgresPair, prefix: str) -> WorkerFleet:
    url = f"{pair.url}?target_session_attrs=read-write"
    fleet = WorkerFleet(Config(kafka, url, "counter", prefix=prefix, partitions=PARTITIONS))
    await fleet.create_tables()
    return fleet


@asynccontextmanager
async def steady_load(fleet: WorkerFleet) -> AsyncIterator[None]:
    """Publish commands during the block, and some before it and after it."""
    is_over = asyncio.Event()

    async def publish_until_over() -> None:
        while not is_over.is_set():
            await fleet.publish_commands(20)

    await fleet.publish_commands(50)
    publishing = asyncio.create_task(publish_until_over())
    try:
        yield
    finally:
        is_over.set()
        await publishing
    await fleet.publish_commands(50)


async def outcome_count(fleet: WorkerFleet) -> int:
    """Return how many outcomes the server that accepts writes has."""
    (row,) = await fetch_rows(fleet.config, "SELECT count(*) FROM outcomes")
    return int(row[0])


async def has_outcomes(fleet: WorkerFleet, count: int) -> bool:
    return await outcome_count(fleet) >= count


async def switch_over(pair: PostgresPair, how: str) -> None:
    if how == "killed":
        pair.primary_process.kill()
    else:
        await pair.make_primary_read_only()
    await pair.promote_standby()


@pytest.mark.parametrize("how", ["killed", "read-only"])
async def test_the_new_primary_is_used_and_no_outcome_is_lost(
    fleet: WorkerFleet, pair: PostgresPair, how: str
) -> None:
    async with running_pipeline(fleet.config):
        async with steady_load(fleet):
            await wait_until(lambda: has_outcomes(fleet, 50))
            await switch_over(pair, how)
            decided = await outcome_count(fleet)
            await wait_until(lambda: has_outcomes(fleet, decided + 100))
        await fleet.wait_until_decided()
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], len(fleet.sent_ids))


async def server_port(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT inet_server_port()"))


async def test_a_pool_leaves_a_server_that_became_read_only(pair: PostgresPair, kafka: str) -> None:
    pool = await database.create_pool(Config(kafka, pair.url, "any"), size=2)
    async with pool.acquire(), pool.acquire():
        """Open both connections."""
    before = await server_port(pool)
    await pair.make_primary_read_only()
    await pair.promote_standby()

    async def is_writable() -> bool:
        return bool(await pool.fetchval("SELECT NOT current_setting('transaction_read_only')::boolean"))

    await wait_until(is_writable)
    async with pool.acquire() as first, pool.acquire() as second:
        ports = {await connection.fetchval("SELECT inet_server_port()") for connection in (first, second)}
    pool.terminate()
    assert before not in ports


async def test_a_server_that_does_not_answer_delays_no_connection(pair: PostgresPair, kafka: str) -> None:
    await pair.promote_standby()
    pair.primary_process.pause()
    # Much longer than the test waits: a connection that waits for the paused server comes too late.
    url = f"{pair.url}?connect_timeout=3600"
    pool = await database.create_pool(Config(kafka, url, "any"), size=1)
    async with asyncio.timeout(60):
        assert await server_port(pool)
    pool.terminate()
    pair.primary_process.resume()


async def test_a_service_without_a_writable_server_is_not_ready(pair: PostgresPair, kafka: str) -> None:
    config = Config(kafka, pair.url, "any")
    pool = await database.create_pool(config, size=1)
    pipeline = cast("Pipeline", SimpleNamespace(is_ready=True, has_read_facts=True))
    readiness = pipeline_readiness(config.kafka, pipeline, pool)
    assert (await readiness.check_parts())["database"]
    await pair.make_primary_read_only()

    async def is_unready() -> bool:
        return not (await readiness.check_parts())["database"]

    await wait_until(is_unready)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await pool.fetchval("SELECT true")
    pool.terminate()
