"""A harness that runs the processor on a real Postgres, batch by batch like the pipeline, without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg

from cohost_schemas import envelope
from messaging import database
from messaging.config import Config
from messaging.processor import DuplicateCommands, InputRecord, OutputRecord, RejectedCommand, Rejection
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor
from services.invitations.store.changes import BatchChanges

TABLES = ("rooms", "room_hosts", "users", "invitations", "pending", "seats")
SCHEMA = "invitations"


@dataclass
class BatchHarness:
    """A worker's processor and its database; `outcomes` are its decisions in order."""

    pool: asyncpg.Pool
    processor: InvitationsProcessor
    outcomes: list[Any]
    sequences: "count[int]" = field(default_factory=lambda: count(1))

    async def run_batches(
        self, batches: Sequence[Sequence[InputRecord]], *, without_cache: bool = False
    ) -> None:
        """Decide each batch before the previous one is saved, or without overlap and with an empty cache."""
        unsaved: tuple[BatchChanges, list[RejectedCommand]] | None = None
        async with self.pool.acquire() as loading, self.pool.acquire() as saving:
            for batch in batches:
                changes = self.processor.new_changes()
                rejected: list[RejectedCommand] = []
                await self.processor.load(loading, batch)
                self.outcomes += [
                    outcome_values(self._decide(incoming, changes, rejected)) for incoming in batch
                ]
                await self._save(saving, unsaved)
                for cache in self.processor.caches:
                    cache.end_batch()
                unsaved = (changes, rejected)
                if without_cache:
                    await self._save(saving, unsaved)
                    unsaved = None
                    self._drop_cached()
            await self._save(saving, unsaved)

    def _drop_cached(self) -> None:
        for cache in self.processor.caches:
            cache.drop_lanes([0])

    def _decide(
        self, incoming: InputRecord, changes: BatchChanges, rejected: list[RejectedCommand]
    ) -> Sequence[OutputRecord] | Rejection:
        outcome = self.processor.decide(incoming, changes)
        if isinstance(outcome, Rejection):
            command_type = envelope.wire_type(type(incoming.data).__name__)
            rejected.append(RejectedCommand(command_type, incoming.id))
            return outcome
        for event, sequence in zip(outcome, self.sequences, strict=False):
            if event.on_sequence is not None:
                event.on_sequence(sequence)
        return outcome

    async def _save(
        self,
        connection: database.Connection,
        unsaved: tuple[BatchChanges, list[RejectedCommand]] | None,
    ) -> None:
        if unsaved is None:
            return
        changes, rejected = unsaved
        async with connection.transaction():
            if used_ids := await self.processor.find_used_ids(connection, rejected):
                raise DuplicateCommands(used_ids)
            await self.processor.save(connection, changes)
        self.processor.on_committed(changes)

    async def stored_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return every stored row by table, without the time of its change."""
        found = {}
        async with self.pool.acquire() as connection:
            for table in TABLES:
                rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]
                for row in rows:
                    if table == "users":
                        row.pop("changed_at")
                found[table] = sorted(rows, key=str)
        return found

    async def clear_state(self) -> None:
        """Clear the cache, the outcomes and every table."""
        self._drop_cached()
        self.outcomes = []
        self.sequences = count(1)
        async with self.pool.acquire() as connection:
            await connection.execute(f"TRUNCATE {', '.join(TABLES)}, scheduled_commands, outcomes")


async def open_batch_harness(url: str, policy: Policy) -> BatchHarness:
    """Migrate a new database and return an empty harness on it."""
    config = Config("", url, SCHEMA)
    pool = await database.create_pool(config, size=4)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.invitations")
    return BatchHarness(pool, InvitationsProcessor(policy), [])


def outcome_values(outcome: Any) -> Any:
    """Return an outcome as plain values: an invitation's class depends on the way it got into the cache."""
    if isinstance(outcome, Rejection):
        return outcome._replace(current=None if outcome.current is None else vars(outcome.current))  # type: ignore[arg-type]
    return [(type(event.data).__name__, vars(event.data)) for event in outcome]
