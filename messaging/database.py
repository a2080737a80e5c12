"""Connect to the service's schema and apply its numbered migrations."""

from importlib import resources
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from messaging.config import Config

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# Statistics of new tables say "empty", so the planner would scan them. Every query of this project is written
# to start from an unnest and look rows up by index.
_PLANNER_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_MIGRATION_SECONDS = 3600
_TIMEOUTS = {"idle_in_transaction_session_timeout": "15s", "lock_timeout": "10s", "statement_timeout": "30s"}


async def create_pool(config: Config, size: int) -> asyncpg.Pool:
    """Return a pool of at most `size` connections whose search path is the service's schema."""
    return await asyncpg.create_pool(
        config.database_url,
        min_size=0,
        max_size=size,
        timeout=5,
        command_timeout=30,
        server_settings={
            "search_path": config.schema,
            "application_name": f"{config.prefix}{config.schema}",
            "plan_cache_mode": "force_generic_plan",
            **_PLANNER_SETTINGS,
            **_TIMEOUTS,
        },
    )


async def migrate_schema(connection: Connection, config: Config, *packages: str) -> None:
    """Apply the pending `sql/NNNN_name.sql` files of each package, in the order of the packages.

    Any number of processes may call it at the same time.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"migrate {config.schema}")
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{config.schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (package text, name text, PRIMARY KEY (package, name))"
        )
        applied = {
            (row["package"], row["name"]) for row in await connection.fetch("SELECT * FROM migrations")
        }
        for package in packages:
            for name, statements in _migration_files(package):
                if (package, name) not in applied:
                    # A migration of a large table takes longer than the pool's time-out.
                    await connection.execute(statements, timeout=_MIGRATION_SECONDS)
                    await connection.execute("INSERT INTO migrations VALUES ($1, $2)", package, name)


def _migration_files(package: str) -> list[tuple[str, str]]:
    folder = resources.files(package) / "sql"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text()) for entry in files)
