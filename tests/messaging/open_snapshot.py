"""A snapshot of a database that is held open, as a long dump or report does."""

import contextlib
from collections.abc import AsyncIterator

import asyncpg


@contextlib.asynccontextmanager
async def hold_snapshot(database_url: str) -> AsyncIterator[None]:
    """Keep a snapshot of the database open for the duration of the block."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            # The first query takes the snapshot, which is of all tables.
            await connection.fetchval("SELECT count(*) FROM pg_class")
            yield
    finally:
        await connection.close()
