"""The outcomes table: the ids of decided commands and their outcomes, kept to recognize duplicates."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from cohost_schemas import envelope
from cohost_schemas.answers import CommandOutcome
from cohost_schemas.rejections import REJECTION_MESSAGES
from messaging import copying
from messaging.database import Connection
from messaging.processor import DuplicateCommands

RETENTION = timedelta(days=7)

OutcomeRow = tuple[str, str, str, str | None, str | None, str | None, str | None, str | None, str | None]
"""id, type, decided_at, room_id, invitation_id, actor_id, events, reason, message (None if standard)."""
_COLUMNS = (
    "id",
    "type",
    "decided_at",
    "room_id",
    "invitation_id",
    "actor_id",
    "events",
    "reason",
    "message",
)


async def insert_outcomes(connection: Connection, rows: Sequence[OutcomeRow]) -> None:
    """Insert the outcomes of commands.

    Raises `DuplicateCommands` if an id already has an outcome; the transaction must then be rolled back.
    """
    if not rows:
        return
    # Sorted, so that two workers that insert the same ids wait for each other instead of deadlocking.
    try:
        await copying.copy_rows(connection, "outcomes", _COLUMNS, sorted(rows))
    except asyncpg.UniqueViolationError as error:
        raise DuplicateCommands(()) from error


async def find_recorded_ids(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return the given ids that already have an outcome."""
    rows = await connection.fetch("SELECT id FROM outcomes WHERE id = ANY($1::text[])", ids)
    return frozenset(row["id"] for row in rows)


async def find_outcome(connection: Connection, command_id: str) -> tuple[CommandOutcome, str | None] | None:
    """Return a command's outcome and actor id, or None if it is undecided or its outcome was deleted.

    The actor id is None if the command has no valid one.
    """
    row = await connection.fetchrow(
        """
        SELECT type, to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS decided_at,
               room_id, invitation_id, actor_id, events, reason, message
        FROM outcomes WHERE id = $1
        """,
        command_id,
    )
    if row is None:
        return None
    events = row["events"]
    reason = row["reason"]
    outcome = CommandOutcome(
        command_id=command_id,
        command_type=row["type"],
        outcome="accepted" if reason is None else "rejected",
        decided_at=row["decided_at"],
        room_id=row["room_id"],
        invitation_id=row["invitation_id"],
        events=tuple(envelope.wire_type(name) for name in events.split(",")) if events else (),
        reason=reason,
        message=row["message"] or (None if reason is None else REJECTION_MESSAGES[reason]),
    )
    return outcome, row["actor_id"]


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
