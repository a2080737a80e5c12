"""A connection to the database for one request, and for a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from messaging.database import Connection

_PATIENCE = 5


@asynccontextmanager
async def lent(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Lend a connection for at most five seconds, waiting for it included.

    Raises `TimeoutError` where that is over: the request is then answered, whatever the database does.
    """
    async with asyncio.timeout(_PATIENCE):
        connection = await pool.acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            # A statement that is still under way would be waited for on its return to the pool.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)
