"""The outbox table: one row for each record that is to be published."""

from collections.abc import Sequence
from typing import NamedTuple

from messaging.database import Connection
from messaging.outbox.store import EncodedRecord

_BATCH = 500


class OutboxRow(NamedTuple):
    """A record to publish; its sequence header is stored as a number."""

    id: int
    topic: str
    partition: int
    sequence: int
    key: bytes | None
    value: bytes


async def create_table(connection: Connection) -> None:
    """Create the table, in a schema of its own."""
    await connection.execute(
        """
        CREATE SCHEMA IF NOT EXISTS outbox;
        CREATE TABLE IF NOT EXISTS outbox.records (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            topic text NOT NULL,
            partition integer NOT NULL,
            sequence bigint NOT NULL,
            key bytea,
            value bytea NOT NULL
        )
        """
    )


async def add_records(connection: Connection, partition: int, records: Sequence[EncodedRecord]) -> None:
    """Add the records of one decision, in its transaction."""
    for record in records:
        await connection.execute(
            "INSERT INTO outbox.records (topic, partition, sequence, key, value) VALUES ($1, $2, $3, $4, $5)",
            record.topic,
            partition,
            record.sequence,
            record.key,
            record.value,
        )


async def take_rows(connection: Connection) -> list[OutboxRow]:
    """Delete the next rows and return them; the caller publishes them before it ends the transaction."""
    # SKIP LOCKED lets several relays share the table. Rows that are not committed yet are not seen.
    found = await connection.fetch(
        "DELETE FROM outbox.records WHERE id IN"
        " (SELECT id FROM outbox.records ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)"
        " RETURNING id, topic, partition, sequence, key, value",
        _BATCH,
    )
    return sorted(OutboxRow(*row) for row in found)


def is_full_batch(rows: Sequence[OutboxRow]) -> bool:
    """Return whether there may be more rows, so that the relay need not wait."""
    return len(rows) == _BATCH
