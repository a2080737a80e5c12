"""A harness for broadcast's effects on a real Postgres, without Kafka: their signals are decided at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
from prometheus_client import CollectorRegistry

from cohost_schemas import timestamps, topics
from cohost_schemas.envelope import Correlation
from cohost_schemas.types import Message
from messaging import database
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.lanes import lane_store
from messaging.lanes.lease import LaneLease
from messaging.processor import InputRecord, OutputRecord
from messaging.producer import AtLeastOnceProducer
from services.broadcast import app, store
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Room, SeatTimeouts, Stage
from services.broadcast.effects.background_effects import BackgroundEffects
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import BroadcastProcessor

TIMEOUT_SECONDS = 180
PATIENT_SECONDS = 60.0
"""A time-out of LiveKit calls that no pause of a busy machine reaches: a call that times out is repeated."""


@dataclass
class LaneOwnerStub:
    """Pretends to be a session that owns these lanes."""

    owned_lanes: frozenset[int] = frozenset({0})

    def lease_renewed_at(self, lane: int) -> float:
        return time.monotonic() if lane in self.owned_lanes else 0.0


@dataclass
class EffectsHarness:
    """A worker without Kafka: `written` holds the effects' records, `events` the resulting broadcast events.

    `correlations` are the names and correlations of the written records.

    While `is_kafka_up` is unset, no record can be written; while `reads_signals` is unset, written signals
    are not processed. Records are dated `record_age_seconds` back.
    """

    pool: asyncpg.Pool
    livekit: LiveKitClient
    timeouts: SeatTimeouts
    processor: BroadcastProcessor
    dirty_keys: DirtyKeys
    lane_owner: LaneOwnerStub = field(default_factory=LaneOwnerStub)
    written: list[Message] = field(default_factory=list)
    correlations: list[tuple[str, Correlation | None]] = field(default_factory=list)
    events: list[Message] = field(default_factory=list)
    is_kafka_up: bool = True
    failed_sends: int = 0
    reads_signals: bool = True
    record_age_seconds: int = 0
    offset: int = 0
    decision_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def producer(self) -> AtLeastOnceProducer:
        """Return the producer to hand to effects: the harness itself."""
        return cast("AtLeastOnceProducer", self)

    def create_effects(self, period_seconds: float = 3600) -> BackgroundEffects:
        """Return effects that are wired as in the service."""
        lease = LaneLease()
        lease.start_session(self.lane_owner)
        return app.create_effects(
            self.livekit,
            self.producer,
            self.pool,
            lease,
            self.dirty_keys,
            livekit_metrics=LiveKitMetrics(CollectorRegistry()),
            timeouts=self.timeouts,
            period_seconds=period_seconds,
        )

    async def send_message(
        self,
        topic: topics.Topic,
        message_id: str,
        data: Message,
        key: str,
        correlation: Correlation | None = None,
    ) -> None:
        """Write a record, as `AtLeastOnceProducer` does, and decide it if it is a signal."""
        if not self.is_kafka_up:
            self.failed_sends += 1
            msg = "a record is not confirmed"
            raise NotConfirmed(msg)
        self.written.append(data)
        self.correlations.append((type(data).__name__, correlation))
        if topic is topics.BROADCAST_SIGNALS and self.reads_signals:
            await self.decide_records(data, message_id=message_id, key=key, correlation=correlation)

    async def stop(self) -> None:
        """Do nothing: there is no producer to stop."""

    async def decide_records(
        self,
        *records: Message,
        message_id: str = "",
        key: str = "",
        correlation: Correlation | None = None,
    ) -> None:
        """Load, decide and commit records one by one."""
        async with self.decision_lock:
            for data in records:
                self.offset += 1
                room_id = key or cast("Any", data).room_id
                record = InputRecord(
                    0,
                    topics.BROADCAST_SIGNALS,
                    self.offset,
                    timestamps.add_seconds(timestamps.current_timestamp(), -self.record_age_seconds),
                    room_id,
                    message_id or f"record-{self.offset}",
                    data,
                    correlation,
                )
                changes = self.processor.new_changes()
                async with self.pool.acquire() as connection, connection.transaction():
                    await self.processor.load(connection, [record])
                    decided = self.processor.decide(record, changes)
                    await self.processor.save(connection, changes)
                    await connection.execute(
                        "UPDATE lanes SET positions = jsonb_build_object($1::text, $2::int) WHERE lane = 0",
                        topics.BROADCAST_SIGNALS.suffix,
                        self.offset + 1,
                    )
                self.processor.on_committed(changes)
                outputs = cast("list[OutputRecord]", decided)
                self.events += [
                    event.data
                    for event in outputs
                    if event.topic is topics.BROADCAST_EVENTS and event.data is not None
                ]

    async def load_stage(self, room_id: str) -> Stage:
        """Return a stage as stored in Postgres."""
        async with self.decision_lock, self.pool.acquire() as connection:
            return (await store.load_stages(connection, [room_id]))[room_id]

    async def load_room(self, room_id: str) -> Room:
        """Return a room as stored in Postgres."""
        return (await self.load_stage(room_id)).room

    def event_names(self, user_id: str | None = None) -> list[str]:
        """Return the names of the published events, of all users or of one."""
        return [
            type(event).__name__
            for event in self.events
            if user_id is None or getattr(event, "user_id", None) == user_id
        ]

    async def wait_until(self, condition: Callable[[], Any]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not condition():
                await asyncio.sleep(0.005)

    async def wait_seconds(self, seconds: float) -> None:
        """Wait until the event loop's clock, which back-offs and periods use, has advanced by `seconds`."""
        end = asyncio.get_running_loop().time() + seconds
        await self.wait_until(lambda: asyncio.get_running_loop().time() > end)


@contextlib.asynccontextmanager
async def open_effects_harness(
    database_url: str,
    livekit_url: str,
    timeouts: SeatTimeouts | None = None,
    livekit_seconds: float = PATIENT_SECONDS,
) -> AsyncIterator[EffectsHarness]:
    """Open a harness on a migrated database that owns lane 0."""
    timeouts = timeouts or SeatTimeouts(grace_seconds=60, no_show_seconds=0)
    config = Config("", database_url, "broadcast")
    pool = await database.create_pool(config, size=4)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
        await lane_store.create_lanes(connection, 1)
    livekit = LiveKitClient(
        livekit_url,
        "devkey",
        "a secret that guards nothing at all",
        livekit_seconds,
        LiveKitMetrics(CollectorRegistry()),
        other_kinds=("egress", "ingress", "agent"),
    )
    dirty_keys = DirtyKeys()
    processor = BroadcastProcessor(timeouts, dirty_keys, LiveKitMetrics(CollectorRegistry()))
    try:
        yield EffectsHarness(pool, livekit, timeouts, processor, dirty_keys)
    finally:
        await livekit.close()
        await pool.close()


@contextlib.asynccontextmanager
async def run_effects(*effects: Any) -> AsyncIterator[None]:
    """Run effects during the block, and raise the first error one of them ended with."""
    tasks = [asyncio.create_task(effect.run()) for effect in effects]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
