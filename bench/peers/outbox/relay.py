"""Relay process: polls the outbox each 100 ms, publishes up to 500 rows in order, and deletes them.

Started as `python -m bench.peers.outbox.relay '{"bootstrap_servers": …}'`. The rows' deletion is committed
once Kafka has confirmed them: a relay that dies in between publishes them again. The producer is idempotent,
with `acks=all` and large batches; a full batch of rows is followed by the next one at once.
"""

import asyncio
import json
import sys
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from bench.peers.outbox import table
from bench.peers.outbox.table import OutboxRow
from cohost.kafka import patches
from cohost_schemas import envelope

_POLL_SECONDS = 0.1


async def relay_rows(options: dict[str, Any]) -> None:
    """Publish rows until the process is ended."""
    patches.apply_patches()
    connection = await asyncpg.connect(options["database_url"])
    await table.create_table(connection)
    async with AIOKafkaProducer(
        bootstrap_servers=options["bootstrap_servers"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=256 * 1024,
    ) as producer:
        while True:
            rows = await _relay_batch(connection, producer, options["prefix"])
            if not table.is_full_batch(rows):
                await asyncio.sleep(_POLL_SECONDS)


async def _relay_batch(
    connection: asyncpg.Connection, producer: AIOKafkaProducer, prefix: str
) -> list[OutboxRow]:
    async with connection.transaction():
        rows = await table.take_rows(connection)
        await asyncio.gather(*[await _send_row(producer, prefix, row) for row in rows])
    return rows


async def _send_row(producer: AIOKafkaProducer, prefix: str, row: OutboxRow) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = await producer.send(
        prefix + row.topic,
        row.value,
        key=row.key,
        partition=row.partition,
        headers=[("content-type", envelope.CONTENT_TYPE), ("sequence", b"%d" % row.sequence)],
    )
    return future


if __name__ == "__main__":
    uvloop.run(relay_rows(json.loads(sys.argv[1])))
