"""The only module here that knows the code under test: both processors on a real Postgres, without Kafka."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from messaging import database
from messaging.batch.committer import BatchCommitter
from messaging.batch.decider import BatchDecider
from messaging.batch.encoder import RecordEncoder
from messaging.config import Config
from messaging.inputs.parsing import RecordParser
from messaging.lanes import lane_store
from messaging.lanes.lane import Lane
from messaging.metrics import PipelineMetrics
from messaging.outbox.store import OutboxBatch
from services.broadcast import processor as broadcast
from services.broadcast import topology as broadcast_topology
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.metrics import LiveKitMetrics
from services.invitations import processor as invitations
from services.invitations import topology as invitations_topology
from services.invitations.domain.state import Policy
from tests.golden.log import PARTITIONS, PREFIX, Input, Published

CLUSTER = "golden-cluster"

_LAYOUTS = {"invitations": invitations_topology.TOPOLOGY, "broadcast": broadcast_topology.TOPOLOGY}
_DOMAINS: dict[str, Callable[[], Any]] = {
    "invitations": lambda: invitations.InvitationsProcessor(Policy(max_pending=3)),
    "broadcast": lambda: broadcast.BroadcastProcessor(
        SeatTimeouts(grace_seconds=30, no_show_seconds=120), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
    ),
}
_OUTCOMES = """
    SELECT id, type, to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS decided_at,
           room_id, invitation_id, actor_id, events, reason, message, detail
    FROM outcomes ORDER BY id COLLATE "C"
"""


@dataclass
class Processor:
    """One service's processor that owns every lane; `published` is by lane, in order."""

    service: str
    pool: asyncpg.Pool
    owned: dict[int, Lane]
    published: dict[int, list[Published]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layout, metrics = _LAYOUTS[self.service], PipelineMetrics(CollectorRegistry(), self.service)
        domain = _DOMAINS[self.service]()
        parser = RecordParser(layout.inputs, PREFIX, PARTITIONS)
        decider = BatchDecider(domain, parser, RecordEncoder(layout, PREFIX, CLUSTER), metrics, PREFIX)
        self._batches = BatchCommitter(
            self.pool,
            domain,
            decider,
            metrics,
            owned_lanes=self.owned,
            enqueue=self._publish,
            on_failure=_fail,
        )

    async def take(self, batch: Sequence[Input]) -> None:
        """Decide a batch as it was fetched, while the one before it is being committed."""
        await self._batches.process_records([_record(entry) for entry in batch])

    async def insert(self, batch: Sequence[Input]) -> None:
        """Decide and commit a batch in exactly this order."""
        await self._batches.process_synthetic([_record(entry) for entry in batch])

    async def settled(self) -> None:
        """Wait until all that was taken is committed and published."""
        await self._batches.wait_committed()

    async def outcomes(self) -> list[dict[str, Any]]:
        """Return what is remembered of commands, by their ids."""
        return [dict(row) for row in await self.query(_OUTCOMES)]

    async def query(self, statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Run a statement in the service's schema."""
        async with self.pool.acquire() as connection:
            return await connection.fetch(statement, *arguments)

    async def _publish(self, committed: Sequence[OutboxBatch]) -> None:
        for segment in committed:
            self.published.setdefault(segment.lane, []).extend(
                Published(PREFIX + record.topic, segment.lane, record.key, record.value, record.headers)
                for record in segment.records
            )


@contextlib.asynccontextmanager
async def opened(service: str, database_url: str, schema: str) -> AsyncIterator[Processor]:
    """Return a processor that has read nothing yet."""
    config = Config("", database_url, schema, prefix=PREFIX, partitions=PARTITIONS)
    pool = await database.create_pool(config, size=4)
    try:
        async with pool.acquire() as connection:
            await database.migrate_schema(connection, config, "messaging", f"services.{service}")
            await lane_store.create_lanes(connection, PARTITIONS)
            claimed = await lane_store.claim_lanes(connection, range(PARTITIONS), "golden")
        yield Processor(service, pool, {lane.number: lane for lane in claimed})
    finally:
        pool.terminate()


def in_order(service: str, batch: Sequence[Input]) -> list[Input]:
    """Return a batch in the order in which its records are decided: topic by topic."""
    order = [entry.topic.full_name(PREFIX) for entry in _LAYOUTS[service].inputs]
    return sorted(batch, key=lambda entry: order.index(entry.topic))


def _record(entry: Input) -> ConsumerRecord:
    return ConsumerRecord(
        topic=entry.topic,
        partition=entry.partition,
        offset=entry.offset,
        timestamp=entry.timestamp,
        timestamp_type=1,
        key=entry.key,
        value=entry.value,
        checksum=None,
        serialized_key_size=len(entry.key or b""),
        serialized_value_size=len(entry.value or b""),
        headers=tuple(entry.headers),
    )


def _fail(error: BaseException) -> None:
    raise error
