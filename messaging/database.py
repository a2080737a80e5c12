"""Connections to the service's own schema, and its numbered migrations."""

from importlib import resources
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from messaging.config import Config

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# Statistics of young tables say "empty", and the planner then scans them: every query of this project
# is meant to be driven from an unnest over an index.
_PLANS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
_BOUNDS = {"idle_in_transaction_session_timeout": "15s", "lock_timeout": "10s", "statement_timeout": "30s"}


async def pool(config: Config, size: int) -> asyncpg.Pool:
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
            **_PLANS,
            **_BOUNDS,
        },
    )


async def migrate(connection: Connection, config: Config, *packages: str) -> None:
    """Bring the schema up to the newest `sql/NNNN_name.sql` of each package, in the order given.

    Safe to run from any number of processes at once.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"migrate {config.schema}")
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{config.schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (package text, name text, PRIMARY KEY (package, name))"
        )
        done = {(row["package"], row["name"]) for row in await connection.fetch("SELECT * FROM migrations")}
        for package in packages:
            for name, statements in _files(package):
                if (package, name) not in done:
                    await connection.execute(statements)
                    await connection.execute("INSERT INTO migrations VALUES ($1, $2)", package, name)


def _files(package: str) -> list[tuple[str, str]]:
    folder = resources.files(package) / "sql"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text()) for entry in files)
