"""The tables of the pipeline in a database of their own."""

import contextlib
from collections.abc import AsyncIterator

from messaging import database
from messaging.config import Config
from messaging.database import Connection
from messaging.lanes import lane_store


@contextlib.asynccontextmanager
async def create_lane_tables(database_url: str, lanes: int) -> AsyncIterator[Connection]:
    """Create the tables with so many lanes, and return a connection for the duration of the block."""
    config = Config("", database_url, "counter")
    pool = await database.create_pool(config, size=1)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging")
        await lane_store.create_lanes(connection, lanes)
        yield connection
    pool.terminate()
