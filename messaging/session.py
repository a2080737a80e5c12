"""One session of a worker: from joining the consumer group to a stop or the first error."""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import ConsumerRecord, TopicPartition

from cohost.kafka.closing import close_within, discard_producer
from messaging.batch.committer import BatchCommitter
from messaging.batch.decider import BatchDecider
from messaging.batch.encoder import RecordEncoder
from messaging.cluster import ClusterInfo, watch_partition_counts
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.inputs.broker import LaneBroker
from messaging.inputs.consumer import Consumer
from messaging.inputs.parsing import RecordParser
from messaging.lanes import lane_store
from messaging.lanes.lane import Lane
from messaging.lanes.lane_listeners import LaneListeners
from messaging.lanes.lost_facts import LostFacts
from messaging.lanes.takeover import Takeover
from messaging.metrics import PipelineMetrics
from messaging.outbox import transactions
from messaging.outbox.publisher import OutboxPublisher
from messaging.outbox.settlement import Settlement
from messaging.processor import FactStore, Processor
from messaging.session_tasks import SessionTasks
from messaging.tracing.record_tracer import RecordTracer
from messaging.tracing.tracer import Tracer

_DRAIN_TIMEOUT_SECONDS = 6
_LEAVE_TIMEOUT_SECONDS = 2
_TICK_INTERVAL_SECONDS = 1

log = structlog.get_logger()


class Session:
    """A worker between two recoveries. Any error ends the session and is set on `failure`.

    `owner` identifies the session: it is the owner in the lanes table, the producer's transactional id, and
    the client id under which it is a member of the consumer group.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the worker's parts, which outlive the session
        self,
        config: Config,
        broker: LaneBroker,
        cluster: ClusterInfo,
        processor: Processor[Any],
        pool: asyncpg.Pool,
        metrics: PipelineMetrics,
        *,
        lane_listeners: LaneListeners,
        tracer: Tracer | None = None,
    ) -> None:
        topology = processor.topology
        self._config = config
        self._cluster = cluster
        self._processor = processor
        self._lane_listeners = lane_listeners
        self._pool = pool
        self._metrics = metrics
        self._input_topics = {
            entry.topic.full_name(config.prefix): entry.topic.suffix for entry in topology.inputs
        }
        self.owner = f"{topology.group_id(config.prefix)}-{uuid.uuid4()}"
        self.lanes: dict[int, Lane] = {}
        self.is_reading = False
        self._tasks = SessionTasks()
        self.failure = self._tasks.failure
        self._handle_lock = asyncio.Lock()
        self._takeover_task: asyncio.Task[None] | None = None
        group = topology.group_id(config.prefix)
        record_tracer = RecordTracer(tracer, group) if tracer is not None else None
        decider = BatchDecider(
            processor,
            RecordParser(topology.inputs, config.prefix, cluster.partitions),
            RecordEncoder(topology, config.prefix, cluster.cluster_id, cluster.max_dead_letter_bytes),
            metrics,
            config.prefix,
            record_tracer,
        )
        self._producer = transactions.create_producer(config, self.owner, cluster.max_batch_bytes)
        self._settlement = Settlement(config, self.lanes)
        self._publisher = OutboxPublisher(
            self._producer, self._settlement, config.prefix, self.lanes, metrics, tracer
        )
        self._committer = BatchCommitter(
            pool,
            processor,
            decider,
            metrics,
            owned_lanes=self.lanes,
            enqueue=self._publisher.enqueue_batches,
            on_failure=self.fail_session,
            tracer=record_tracer,
        )
        self._consumer = Consumer(config, broker, self)
        self._takeover = Takeover(config, cluster, topology, pool)
        fact_store = processor if isinstance(processor, FactStore) else None
        self._lost_facts = LostFacts(config, topology, pool, fact_store)

    @property
    def is_active(self) -> bool:
        """Return whether every assigned lane is read and nothing has failed."""
        return self.is_reading and not self.failure.done()

    @property
    def has_read_facts(self) -> bool:
        """Return whether decisions know all facts that were in the log when the lanes were taken over."""
        return self.is_active and self._takeover.facts_wait.is_complete

    @property
    def owned_lanes(self) -> Collection[int]:
        """Return the lanes that are owned and read now."""
        return self.lanes.keys() if self.is_active else ()

    def lease_renewed_at(self, lane: int) -> float:
        """Return `time.monotonic()` of the lane's last lease renewal, or 0.0 if the lane is not owned."""
        owned_lane = self.lanes.get(lane)
        return owned_lane.lease_renewed_at if owned_lane is not None else 0.0

    async def start(self) -> None:
        """Start the producer and join the group; no lane is owned or fenced yet."""
        self._tasks.spawn(watch_partition_counts(self._config, self._cluster))
        await transactions.start_producer(self._producer)
        self._tasks.spawn(self._publisher.run())
        self._tasks.spawn(self._settlement.run())
        await self._consumer.start(self.owner)
        self._tasks.spawn(self._tick())

    async def stop(self) -> None:
        """Publish everything committed, release the lanes, and leave the group."""
        await self.on_revoked()
        await self.abandon()

    async def abandon(self) -> None:
        """Stop without draining; the next owner of the lanes recovers from database and log."""
        await self._tasks.cancel()
        await self._committer.cancel_commit()
        await close_within(self._consumer.stop(), _LEAVE_TIMEOUT_SECONDS)
        # Wait for the handler, because the next session uses the same processor and its cache.
        async with self._handle_lock:
            self._drop_lanes()
        await discard_producer(self._producer)

    def _drop_lanes(self) -> None:
        self._drop_cached(self.lanes)
        self.lanes.clear()
        self._metrics.clear_lanes()

    def _drop_cached(self, numbers: Collection[int]) -> None:
        for cache in self._processor.caches:
            cache.drop_lanes(numbers)

    def fail_session(self, error: BaseException) -> None:
        """End the session with this error; later errors are ignored."""
        self._tasks.fail(error)

    async def handle_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide a batch while the previous one is being committed."""
        async with self._handle_lock:
            if self.failure.done():
                return
            try:
                await self._committer.process_records(records)
            except Exception as error:  # noqa: BLE001 - every error ends the session
                self.fail_session(error)

    async def wait_published(self) -> None:
        """Wait until Kafka has confirmed every batch that was handled. After a failure it does not return."""
        await self._committer.wait_idle()
        await self._publisher.wait_confirmed()

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start to take over the lanes of these partitions."""
        # Not in the task: a revocation may come before it begins, and must not be forgotten then.
        self._takeover.facts_wait.start()
        self._takeover_task = self._tasks.spawn(self._take_over(partitions))

    async def _take_over(self, partitions: Sequence[TopicPartition]) -> None:
        acquired, unpublished = await self._takeover.acquire_lanes(partitions, self.owner)
        self.lanes.update(acquired)
        self._drop_cached(acquired)
        for batch in unpublished:
            await self._publisher.enqueue_batches([batch])
        await self._lane_listeners.notify_acquired(
            {number: lane.clean_handover for number, lane in acquired.items()}
        )
        log.info("lanes acquired", lanes=sorted(acquired), unpublished=len(unpublished))
        truncated = await self._takeover.seek_consumer(self._consumer.kafka_consumer, acquired)
        self._consumer.mark_sought()
        if await self._takeover.read_facts(self._consumer.kafka_consumer, self.lanes):
            await self._tombstone_lost_facts(truncated)
            self._takeover.resume_inputs(self._consumer.kafka_consumer, self.lanes)
            self.is_reading = True
            await self._takeover.facts_wait.wait_remaining()

    async def _tombstone_lost_facts(self, beginning_offsets: Mapping[TopicPartition, int]) -> None:
        """Decide a tombstone for each stored fact whose record was deleted from the start of its topic."""
        async for tombstones in self._lost_facts.tombstones(beginning_offsets):
            async with self._handle_lock:
                await self._committer.process_synthetic(tombstones)

    async def on_revoked(self) -> None:
        """Give up every lane: commit and publish decided batches, then release the lanes.

        If Kafka is too slow for that, the session ends, and the next owners recover from database and log.
        """
        self.is_reading = False
        self._consumer.invalidate_fetched()
        if self._takeover_task is not None:
            # Wait for the takeover: it must not claim lanes after their next owner did.
            self._takeover.facts_wait.cancel()
            await asyncio.gather(self._takeover_task, return_exceptions=True)
            # It may have sought, and begun to read, meanwhile.
            self.is_reading = False
            self._consumer.invalidate_fetched()
        async with self._handle_lock:
            if self.failure.done() or not self.lanes:
                return
            await self._committer.wait_committed()
            await self._lane_listeners.notify_releasing(list(self.lanes))
            try:
                async with asyncio.timeout(_DRAIN_TIMEOUT_SECONDS):
                    await self._publisher.wait_drained()
            except TimeoutError:
                log.warning("lane release timed out", lanes=sorted(self.lanes))
                # The lanes stay until the publisher is stopped: it may still confirm batches of theirs.
                self.fail_session(NotConfirmed("lanes were revoked before their batches were confirmed"))
            else:
                await self._release_lanes()
                self._drop_lanes()

    async def _release_lanes(self) -> None:
        await self._committer.renew_lease()
        async with self._pool.acquire() as connection:
            await lane_store.release_lanes(connection, self.lanes.values())
        log.info("lanes released", lanes=sorted(self.lanes))

    async def _tick(self) -> None:
        """Save published offsets and skipped markers, renew the lease, and mirror offsets, once a second."""
        while True:
            await asyncio.sleep(_TICK_INTERVAL_SECONDS)
            async with self._handle_lock:
                await self._committer.wait_committed()
                # After a failure the consumer's position may lie beyond records that were not decided.
                if self.failure.done():
                    return
                if self.lanes and self._consumer.has_sought:
                    await self._skip_markers()
                    await self._committer.renew_lease()
                # Mirror committed positions only: no record before a mirrored offset may be undecided.
                offsets = self._offsets_to_mirror()
            if self.is_reading:
                await self._consumer.mirror_offsets(offsets)
                self._metrics.update_lanes(self._consumer.kafka_consumer, self._input_topics, self.lanes)

    async def _skip_markers(self) -> None:
        """Advance lanes to the consumer's positions: control and aborted records have offsets only."""
        kafka_consumer = self._consumer.kafka_consumer
        partitions = [TopicPartition(topic, number) for number in self.lanes for topic in self._input_topics]
        consumer_positions = [await kafka_consumer.position(partition) for partition in partitions]
        if self.failure.done():
            return
        # After the awaits: records that arrived meanwhile are not decided, and lie below these positions.
        unhandled = self._consumer.unhandled_partitions
        for partition, position in zip(partitions, consumer_positions, strict=True):
            if partition not in unhandled:
                lane = self.lanes[partition.partition]
                lane.advance_position(self._input_topics[partition.topic], position)

    def _offsets_to_mirror(self) -> dict[TopicPartition, int]:
        """Return the lanes' positions for lag monitoring. No worker starts from mirrored offsets."""
        return {
            TopicPartition(topic, number): position
            for number, lane in self.lanes.items()
            for topic, suffix in self._input_topics.items()
            if (position := lane.position(suffix)) >= 0
        }
