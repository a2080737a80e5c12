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
from cohost_schemas.types import Message
from messaging import database, lanes
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.pipeline import Pipeline
from messaging.processor import InputRecord, OutputRecord
from messaging.producer import CloudEventProducer
from services.broadcast import store
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Room, SeatTimeouts
from services.broadcast.effects.dependencies import EffectDependencies
from services.broadcast.effects.lease import LaneLease
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import SIGNALS_INPUT, TOPOLOGY, BroadcastProcessor

SECONDS = 60


@dataclass
class Owned:
    """Pretends to be a pipeline that owns these lanes."""

    owned_lanes: frozenset[int] = frozenset({0})

    def lease_renewed_at(self, lane: int) -> float:
        return time.monotonic() if lane in self.owned_lanes else 0.0


@dataclass
class Desk:
    """A worker without Kafka: `written` holds the effects' records, `events` the resulting broadcast events.

    While `is_kafka_up` is unset, no record can be written; while `reads_signals` is unset, written signals
    are not processed. Records are dated `record_age_seconds` back.
    """

    pool: asyncpg.Pool
    around: EffectDependencies
    processor: BroadcastProcessor
    wakeup: DirtyKeys
    owned: Owned
    written: list[Message] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    kafka: bool = True
    refused: int = 0
    deciding: bool = True
    late: int = 0
    offset: int = 0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send_message(self, topic: topics.Topic, message_id: str, data: Message, key: str) -> None:
        """Write a record, as `CloudEventProducer` does, and decide it if it is a signal."""
        if not self.kafka:
            self.refused += 1
            msg = "a record is not confirmed"
            raise NotConfirmed(msg)
        self.written.append(data)
        if topic is topics.BROADCAST_SIGNALS and self.deciding:
            await self.say(data, message_id=message_id, key=key)

    async def stop(self) -> None:
        """Do nothing: there is no producer to stop."""

    async def say(self, *records: Message, message_id: str = "", key: str = "") -> None:
        """Load, decide and commit records one by one."""
        async with self.reading:
            for data in records:
                self.offset += 1
                room_id = key or cast("Any", data).room_id
                record = InputRecord(
                    0,
                    topics.BROADCAST_SIGNALS,
                    self.offset,
                    timestamps.add_seconds(timestamps.current_timestamp(), -self.late),
                    room_id,
                    message_id or f"record-{self.offset}",
                    data,
                )
                changes = self.processor.new_changes()
                async with self.pool.acquire() as connection, connection.transaction():
                    await self.processor.load(connection, [record])
                    decided = self.processor.decide(record, changes)
                    await self.processor.save(connection, changes)
                    await connection.execute(
                        "UPDATE lanes SET positions[$1] = $2 WHERE lane = 0",
                        SIGNALS_INPUT + 1,
                        self.offset + 1,
                    )
                self.processor.on_committed(changes)
                told = cast("list[OutputRecord]", decided)
                self.told += [
                    event.data
                    for event in told
                    if event.topic is topics.BROADCAST_EVENTS and event.data is not None
                ]

    async def load_room(self, room_id: str) -> Room:
        """Return a room as stored in Postgres."""
        async with self.reading, self.pool.acquire() as connection:
            return (await store.load_stages(connection, [room_id]))[room_id].room

    def names(self, user_id: str | None = None) -> list[str]:
        """Return the names of the published events, of all users or of one."""
        return [
            type(event).__name__
            for event in self.told
            if user_id is None or getattr(event, "user_id", None) == user_id
        ]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                await asyncio.sleep(0.005)

    async def passed(self, seconds: float) -> None:
        """Wait until the event loop's clock, which back-offs and periods use, has advanced by `seconds`."""
        end = asyncio.get_running_loop().time() + seconds
        await self.until(lambda: asyncio.get_running_loop().time() > end)


@contextlib.asynccontextmanager
async def open_desk(
    database_url: str, livekit_url: str, timeouts: SeatTimeouts | None = None, livekit_seconds: float = 0.5
) -> AsyncIterator[Desk]:
    """Open a harness on a migrated database that owns lane 0."""
    timeouts = timeouts or SeatTimeouts(grace_seconds=60, no_show_seconds=0)
    config = Config("", database_url, "broadcast")
    pool = await database.create_pool(config, size=4)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
        await lanes.create_lanes(connection, 1, len(TOPOLOGY.inputs), len(TOPOLOGY.outputs))
    metrics = LiveKitMetrics(CollectorRegistry())
    livekit = LiveKitClient(
        livekit_url, "devkey", "a secret that guards nothing at all", livekit_seconds, metrics
    )
    pipeline = Owned()
    ownership = LaneLease()
    ownership.use_pipeline(cast("Pipeline", pipeline))
    dependencies = EffectDependencies(livekit, cast("CloudEventProducer", None), pool, ownership, metrics)
    dirty_keys = DirtyKeys()
    harness = Desk(pool, dependencies, BroadcastProcessor(timeouts, dirty_keys, ()), dirty_keys, pipeline)
    object.__setattr__(dependencies, "producer", harness)
    try:
        yield harness
    finally:
        await livekit.close()
        await pool.close()


@contextlib.asynccontextmanager
async def running(*effects: Any) -> AsyncIterator[None]:
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
