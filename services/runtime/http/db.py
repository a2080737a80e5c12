"""Database connections for HTTP requests, with a time limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from messaging.database import Connection

_TIMEOUT_SECONDS = 5


@asynccontextmanager
async def connection_for_request(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Provide a connection for at most five seconds, including the wait for it.

    Raises `TimeoutError` after that, so that the request is answered even while the database hangs.
    """
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        connection = await pool.acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            # Terminate: returning the connection to the pool would wait for the statement that still runs.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)
