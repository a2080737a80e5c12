"""Consumer process of the outbox peer: a command and its outbox row are one transaction.

Started like `bench.baseline.consumer`, with the same options. It runs the relay as a process of its own. A
command's offset is committed after its transaction, not before, as delivery at least once needs it; with
several workers each has partitions of its own, so commands of a room stay in order.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
from faststream import AckPolicy

from bench.baseline import consumer
from bench.baseline.handler import BaselineHandler
from bench.peers.outbox import table
from messaging.database import Connection
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord


class OutboxHandler(BaselineHandler):
    """The baseline handler, with rows for the relay in place of what it publishes."""

    async def _decide(self, connection: Connection, lane: Lane, reading: ParsedRecord) -> list[EncodedRecord]:
        written = await super()._decide(connection, lane, reading)
        await table.add_records(connection, lane.number, written)
        return []


async def consume_commands(options: dict[str, Any]) -> None:
    """Handle the commands in the topics until `warm_up + count` are done."""
    connection = await asyncpg.connect(options["database_url"])
    await table.create_table(connection)
    await connection.close()
    async with _run_relay(options):
        await consumer.main(options, OutboxHandler, AckPolicy.NACK_ON_ERROR)


@contextlib.asynccontextmanager
async def _run_relay(options: Mapping[str, Any]) -> AsyncIterator[None]:
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.peers.outbox.relay", json.dumps(options)
    )
    try:
        yield
    finally:
        relay.terminate()
        await relay.wait()


if __name__ == "__main__":
    asyncio.run(consume_commands(json.loads(sys.argv[1])))
