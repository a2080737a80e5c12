"""The outcomes table: the ids of decided commands and their outcomes, kept to recognize duplicates."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter

import asyncpg

from messaging.database import Connection
from messaging.processor import DuplicateCommands

MIN_RETENTION = timedelta(days=7)
# Kafka looks for old segments every five minutes, and clocks differ.
_DELETION_DELAY = timedelta(hours=1)

OutcomeRow = tuple[str | None, ...]
"""id, type, decided_at, the topology's summary fields, events, reason, message (None if standard), detail."""


# Many commands of a batch were written in the same millisecond.
_read_timestamp = lru_cache(maxsize=4096)(datetime.fromisoformat)


async def insert_outcomes(
    connection: Connection, summary_fields: Sequence[str], rows: Sequence[OutcomeRow]
) -> None:
    """Insert the outcomes of commands.

    Raises `DuplicateCommands` if an id already has an outcome; the transaction must then be rolled back.
    """
    if not rows:
        return
    columns = ("id", "type", "decided_at", *summary_fields, "events", "reason", "message", "detail")
    # Sorted, so that two workers that insert the same ids wait for each other instead of deadlocking.
    # COPY costs four fifths of an INSERT from arrays, in this process and in Postgres.
    records = [
        (row[0], row[1], _read_timestamp(str(row[2])), *row[3:]) for row in sorted(rows, key=itemgetter(0))
    ]
    try:
        await connection.copy_records_to_table("outcomes", columns=columns, records=records)
    except asyncpg.UniqueViolationError as error:
        raise DuplicateCommands(()) from error


async def find_recorded_ids(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return the given ids that already have an outcome."""
    rows = await connection.fetch("SELECT id FROM outcomes WHERE id = ANY($1::text[])", ids)
    return frozenset(row["id"] for row in rows)


def retention_for(longest_retention: timedelta | None) -> timedelta | None:
    """Return how long outcomes are kept if a command lies in the log for so long at most; None means always.

    A command that is read again must find its outcome: it would take effect twice.
    """
    if longest_retention is None:
        return None
    return max(MIN_RETENTION, longest_retention + _DELETION_DELAY)


class OutcomePruner:
    """Deletes outcomes older than the retention, in steps, the oldest first."""

    def __init__(self) -> None:
        self._pruned_until = datetime.fromtimestamp(0, UTC)

    async def prune_step(self, connection: Connection, retention: timedelta, limit: int = 2000) -> bool:
        """Delete at most `limit` outcomes; return whether there may be more.

        It searches from the last deleted one on, because index entries of deleted rows stay until a vacuum.
        Older outcomes that were added meanwhile are left to the next pruner.
        """
        row = await connection.fetchrow(
            """
            WITH old AS MATERIALIZED (
                SELECT ctid, decided_at FROM outcomes
                WHERE decided_at >= $1 AND decided_at < now() - $2::interval
                ORDER BY decided_at LIMIT $3
            ), deleted AS (
                DELETE FROM outcomes WHERE ctid = ANY(ARRAY(SELECT ctid FROM old))
            )
            SELECT count(*), max(decided_at) FROM old
            """,
            self._pruned_until,
            retention,
            limit,
        )
        count, last = row or (0, None)
        self._pruned_until = last or self._pruned_until
        return bool(count == limit)
