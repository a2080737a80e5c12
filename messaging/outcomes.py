"""The outcomes table: the ids of decided commands and their outcomes, kept to recognize duplicates."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from messaging.database import Connection
from messaging.processor import DuplicateCommands

RETENTION = timedelta(days=7)

OutcomeRow = tuple[str | None, ...]
"""id, type, decided_at, the topology's summary fields, events, reason, message (None if standard)."""


async def insert_outcomes(
    connection: Connection, summary_fields: Sequence[str], rows: Sequence[OutcomeRow]
) -> None:
    """Insert the outcomes of commands.

    Raises `DuplicateCommands` if an id already has an outcome; the transaction must then be rolled back.
    """
    if not rows:
        return
    columns = ("id", "type", "decided_at", *summary_fields, "events", "reason", "message")
    # Sorted, so that two workers that insert the same ids wait for each other instead of deadlocking.
    # COPY costs four fifths of an INSERT from arrays, in this process and in Postgres.
    records = [(row[0], row[1], datetime.fromisoformat(str(row[2])), *row[3:]) for row in sorted(rows)]
    try:
        await connection.copy_records_to_table("outcomes", columns=columns, records=records)
    except asyncpg.UniqueViolationError as error:
        raise DuplicateCommands(()) from error


async def find_recorded_ids(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return the given ids that already have an outcome."""
    rows = await connection.fetch("SELECT id FROM outcomes WHERE id = ANY($1::text[])", ids)
    return frozenset(row["id"] for row in rows)


async def prune_outcomes(connection: Connection, limit: int = 2000) -> int:
    """Delete at most `limit` outcomes older than the retention; return the number deleted."""
    status = await connection.execute(
        """
        DELETE FROM outcomes WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM outcomes WHERE decided_at < now() - $1::interval LIMIT $2
        ))
        """,
        RETENTION,
        limit,
    )
    return int(status.removeprefix("DELETE "))
