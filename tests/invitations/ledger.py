"""A harness that runs the processor on a real Postgres, batch by batch like the pipeline, without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from cohost_schemas import envelope
from messaging import database
from messaging.config import Config
from messaging.processor import InputRecord, OutputRecord, Rejection
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor
from services.invitations.store.changes import BatchChanges

TABLES = ("rooms", "users", "invitations", "pending", "seats")
SCHEMA = "invitations"


@dataclass
class Ledger:
    """A worker's processor and its database; `outcomes` are its decisions in order."""

    pool: asyncpg.Pool
    domain: InvitationsProcessor
    told: list[Any]

    async def run(self, batches: Sequence[Sequence[InputRecord]], *, forgetful: bool = False) -> None:
        """Decide each batch before the previous one is saved, or without overlap and with an empty cache."""
        ahead: BatchChanges | None = None
        async with self.pool.acquire() as loading, self.pool.acquire() as saving:
            for batch in batches:
                changes = self.domain.new_changes()
                await self.domain.load(loading, batch)
                self.told += [plain(self._decide(incoming, changes)) for incoming in batch]
                await self._save(saving, ahead)
                self.domain.evict_excess()
                ahead = changes
                if forgetful:
                    await self._save(saving, ahead)
                    ahead = None
                    self.domain.drop_lanes([0])
            await self._save(saving, ahead)

    def _decide(self, incoming: InputRecord, changes: BatchChanges) -> Sequence[OutputRecord] | Rejection:
        outcome = self.domain.decide(incoming, changes)
        if isinstance(outcome, Rejection):
            self.domain.on_command_rejected(
                envelope.wire_type(type(incoming.data).__name__), incoming.id, changes
            )
        return outcome

    async def _save(self, connection: database.Connection, changes: BatchChanges | None) -> None:
        if changes is not None:
            async with connection.transaction():
                await self.domain.save(connection, changes)

    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return every stored row by table, without the time of its change."""
        found = {}
        async with self.pool.acquire() as connection:
            for table in TABLES:
                rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]
                for row in rows:
                    row.pop("changed_at", None)
                found[table] = sorted(rows, key=str)
        return found

    async def wipe(self) -> None:
        """Clear the cache, the outcomes and every table."""
        self.domain.drop_lanes([0])
        self.told = []
        async with self.pool.acquire() as connection:
            await connection.execute(f"TRUNCATE {', '.join(TABLES)}, scheduled_commands, outcomes")


async def opened(url: str, policy: Policy) -> Ledger:
    """Migrate a new database and return an empty harness on it."""
    config = Config("", url, SCHEMA)
    pool = await database.create_pool(config, size=4)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.invitations")
    return Ledger(pool, InvitationsProcessor(policy), [])


def plain(outcome: Any) -> Any:
    """Return an outcome as plain values: an invitation's class depends on the way it got into the cache."""
    if isinstance(outcome, Rejection):
        return (outcome.reason, None if outcome.current is None else vars(outcome.current))
    return [(type(event.data).__name__, vars(event.data)) for event in outcome]
