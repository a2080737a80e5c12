"""Connect to the service's schema and apply its numbered migrations."""

from importlib import resources
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from messaging.config import Config
from messaging.postgres.connector import Connector, PostgresConnection, is_read_only

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
    """Return a pool of at most `size` connections whose search path is the service's schema.

    All of them are connections to a server that accepts writes.
    """
    settings = {
        "search_path": config.schema,
        "plan_cache_mode": "force_generic_plan",
        **_PLANNER_SETTINGS,
        **_TIMEOUTS,
    }
    connector = Connector(config.database_url, f"{config.prefix}{config.schema}", settings)

    async def check_released(connection: PostgresConnection) -> None:
        """Replace all connections of the pool if the server stopped to accept writes.

        It stands in place of asyncpg's `RESET ALL`, which would undo the settings. No statement of this
        project changes a session.
        """
        if is_read_only(connection):
            connection.terminate()
            await pool.expire_connections()

    pool = await asyncpg.create_pool(
        min_size=0, max_size=size, command_timeout=30, connect=connector.connect, reset=check_released
    )
    return pool


async def migrate_schema(connection: Connection, config: Config, *packages: str) -> None:
    """Apply the pending `sql/NNNN_name.sql` files of each package, in the order of the packages.

    Any number of processes may call it at the same time.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"migrate {config.schema}")
        await _create_missing(connection, config.schema)
        applied = {
            (row["package"], row["name"]) for row in await connection.fetch("SELECT * FROM migrations")
        }
        for package in packages:
            for name, statements in _migration_files(package):
                if (package, name) not in applied:
                    # A migration of a large table takes longer than the pool's time-out.
                    await connection.execute(statements, timeout=_MIGRATION_SECONDS)
                    await connection.execute("INSERT INTO migrations VALUES ($1, $2)", package, name)


async def _create_missing(connection: Connection, schema: str) -> None:
    """Create schema and table unless they exist: even with IF NOT EXISTS, Postgres demands the right to."""
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    if await connection.fetchval("SELECT to_regclass('migrations') IS NULL"):
        await connection.execute(
            "CREATE TABLE migrations (package text, name text, PRIMARY KEY (package, name))"
        )


def _migration_files(package: str) -> list[tuple[str, str]]:
    folder = resources.files(package) / "sql"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text()) for entry in files)
