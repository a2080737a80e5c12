"""The database's roles and connections."""

import secrets

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from messaging import database
from messaging.config import Config
from messaging.metrics import PipelineMetrics
from stack import Stack


@pytest.fixture
async def owner_config(stack: Stack) -> Config:
    """The configuration of a role that owns a schema and may not create others."""
    return Config("", await stack.create_service_database(f"owner_{secrets.token_hex(6)}"), "invitations")


async def test_a_role_that_owns_only_the_schema_can_start_again_and_again(owner_config: Config) -> None:
    pool = await database.create_pool(owner_config, size=1)
    for _ in range(2):
        async with pool.acquire() as connection:
            await database.migrate_schema(connection, owner_config, "messaging", "services.invitations")
    # Postgres demands the right even where there is nothing to create.
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("CREATE SCHEMA IF NOT EXISTS invitations")
    pool.terminate()


async def test_a_connection_keeps_its_settings_when_it_is_used_again(owner_config: Config) -> None:
    pool = await database.create_pool(owner_config, size=1)
    first, second = [
        await pool.fetchrow(
            "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('enable_seqscan'),"
            " current_setting('statement_timeout'), current_setting('application_name')"
        )
        for _ in range(2)
    ]
    pool.terminate()
    assert first == second
    assert first is not None
    assert tuple(first)[1:] == ("invitations", "off", "30s", "cohost.invitations")


async def test_metrics_count_the_connections_of_all_pools(owner_config: Config) -> None:
    registry = CollectorRegistry()
    pools = [await database.create_pool(owner_config, size=size) for size in (2, 3)]
    PipelineMetrics(registry, "invitations").watch_pools(pools)
    await pools[0].execute("SELECT 1")
    async with pools[1].acquire():
        names = ("busy", "idle")
        counts = [registry.get_sample_value("cohost_postgres_connections", {"state": name}) for name in names]
    assert (*counts, registry.get_sample_value("cohost_postgres_connections_limit")) == (1, 1, 5)
    for pool in pools:
        pool.terminate()
