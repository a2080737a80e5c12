"""Consumer process of the outbox peer: a command and its outbox row are one transaction.

Started like `bench.baseline.consumer`, with the same options. It keeps the relay running, as a process of its
own. A command's offset is committed after its transaction, not before, as delivery at least once needs it;
with several workers each has partitions of its own, so commands of a room stay in order.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import asyncpg
import uvloop
from faststream import AckPolicy

from bench.baseline import consumer
from bench.baseline.handler import BaselineHandler
from bench.peers.outbox import table
from messaging.database import Connection
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord

RELAY_MODULE = "bench.peers.outbox.relay"


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
    relay = asyncio.create_task(_keep_relay_running(options))
    try:
        await consumer.main(options, OutboxHandler, AckPolicy.NACK_ON_ERROR)
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


async def _keep_relay_running(options: Mapping[str, Any]) -> None:
    while True:
        relay = await asyncio.create_subprocess_exec(sys.executable, "-m", RELAY_MODULE, json.dumps(options))
        try:
            await relay.wait()
        finally:
            if relay.returncode is None:
                relay.terminate()


if __name__ == "__main__":
    uvloop.run(consume_commands(json.loads(sys.argv[1])))
