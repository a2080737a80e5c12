"""Take over lanes: claim them in Postgres, fence in Kafka, compare log and outbox, seek and resume."""

from collections.abc import Mapping, Sequence

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from messaging.cluster import ClusterInfo, check_partition_counts
from messaging.config import Config
from messaging.errors import LogMismatch
from messaging.lanes import lane_store
from messaging.lanes.facts_wait import FactsWait
from messaging.lanes.lane import Lane
from messaging.outbox import log_end, store, transactions
from messaging.outbox.store import OutboxBatch
from messaging.processor import Topology

log = structlog.get_logger()


class Takeover:
    """Takes over the lanes of assigned partitions."""

    def __init__(self, config: Config, cluster: ClusterInfo, topology: Topology, pool: asyncpg.Pool) -> None:
        self._config = config
        self._topology = topology
        self._pool = pool
        self._cluster = cluster
        self._inputs = {entry.topic.full_name(config.prefix): entry for entry in topology.inputs}
        self._outputs = {topic.suffix: topic.full_name(config.prefix) for topic in topology.outputs}
        self._facts = {name: entry for name, entry in self._inputs.items() if entry.kind == "facts"}
        self._compacted_topics = {topic.suffix for topic in topology.outputs if topic.is_compacted}
        self.facts_wait = FactsWait(self._fact_positions)

    async def acquire_lanes(
        self, partitions: Sequence[TopicPartition], owner: str
    ) -> tuple[dict[int, Lane], list[OutboxBatch]]:
        """Acquire the lanes of these partitions; return them by number, and their unpublished batches.

        Raises `LogMismatch` if log and database contradict each other, and `Fenced` if another worker has
        claimed a lane meanwhile.
        """
        numbers = await self._require_all_topics(partitions)
        if not numbers:
            return {}, []
        async with self._pool.acquire() as connection, connection.transaction():
            # Checked again: a version with other topics may have owned the lanes since this worker's start.
            await lane_store.check_topics(connection, self._topology)
            claimed = await lane_store.claim_lanes(connection, numbers, owner)
        # Claim before fence: an owner that is fenced after the claim finds its lanes claimed and gives up.
        previous_owners = frozenset[str]().union(*(lane.unfenced_owners for lane in claimed))
        await transactions.fence_owners(self._config, sorted(previous_owners))
        async with self._pool.acquire() as connection:
            pending = await store.load_pending(connection, numbers)
        # Fence before reading the log ends: until then they may move.
        try:
            unpublished = await self._find_unpublished(claimed, pending)
        except LogMismatch:
            # After a pause since the claim, the log may have what another owner has written meanwhile.
            async with self._pool.acquire() as connection:
                await lane_store.require_claims(connection, claimed)
            raise
        # Only now: ending a transaction that an owner left hanging needs the owner's name.
        async with self._pool.acquire() as connection:
            await lane_store.mark_fenced(connection, claimed)
        return {lane.number: lane for lane in claimed}, unpublished

    async def seek_consumer(
        self, consumer: AIOKafkaConsumer, acquired: Mapping[int, Lane]
    ) -> dict[TopicPartition, int]:
        """Seek the consumer to the lanes' positions in the database. Raises `LogMismatch` if input was lost.

        Return the beginning offsets of fact partitions whose first records were deleted, which compaction
        does not do.
        """
        partitions = [TopicPartition(topic, number) for number in acquired for topic in self._inputs]
        beginning_offsets = await consumer.beginning_offsets(partitions)
        end_offsets = await consumer.end_offsets(partitions)
        for lane in acquired.values():
            for topic in self._inputs:
                partition = TopicPartition(topic, lane.number)
                log_range = range(beginning_offsets[partition], end_offsets[partition] + 1)
                consumer.seek(partition, self._start_offset(lane, partition, log_range))
        return {
            partition: begin
            for partition, begin in beginning_offsets.items()
            if begin > 0 and partition.topic in self._facts
        }

    async def read_facts(self, consumer: AIOKafkaConsumer, owned_lanes: Mapping[int, Lane]) -> bool:
        """Read facts to their current end; return False if the wait was cancelled by a revocation."""
        facts = [TopicPartition(topic, number) for topic in self._facts for number in owned_lanes]
        # Not the high watermarks: an open transaction of any writer would hold every lane until it ends.
        end_offsets = await consumer.end_offsets(self._partitions_to_await(owned_lanes)) if facts else {}
        consumer.resume(*facts)
        await self.facts_wait.wait_caught_up(end_offsets, owned_lanes)
        return not self.facts_wait.is_cancelled

    def resume_inputs(self, consumer: AIOKafkaConsumer, owned_lanes: Mapping[int, Lane]) -> None:
        """Resume the inputs other than facts."""
        others = [
            TopicPartition(topic, number)
            for topic in self._inputs
            for number in owned_lanes
            if topic not in self._facts
        ]
        consumer.resume(*others)

    async def _require_all_topics(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """Return the partitions' lane numbers.

        Raises `IncompatibleDeployment` if topics have new partitions, `LogMismatch` if a lane lacks a topic.
        """
        numbers = sorted({partition.partition for partition in partitions})
        is_complete = len(partitions) == len(numbers) * len(self._inputs)
        if not is_complete or any(number >= self._cluster.partitions for number in numbers):
            await check_partition_counts(self._config, self._cluster)
            msg = "a lane was assigned without all its topics: every group member must use the range assignor"
            raise LogMismatch(msg)
        return numbers

    async def _find_unpublished(
        self, claimed: Sequence[Lane], pending: Sequence[OutboxBatch]
    ) -> list[OutboxBatch]:
        start_offsets = {
            TopicPartition(topic, lane.number): lane.published_end_offset(suffix)
            for lane in claimed
            for suffix, topic in self._outputs.items()
        }
        previous_owners = {lane.number: lane.unfenced_owners for lane in claimed}
        fenced_owners = {partition: previous_owners[partition.partition] for partition in start_offsets}
        log_ends = await log_end.read_log_ends(self._config, start_offsets, fenced_owners)
        unpublished: list[OutboxBatch] = []
        for lane in claimed:
            lane_batches = [batch for batch in pending if batch.lane == lane.number]
            lane_log_ends = {
                suffix: log_ends[TopicPartition(topic, lane.number)]
                for suffix, topic in self._outputs.items()
            }
            published_count = log_end.confirm_published(
                lane, lane_log_ends, lane_batches, self._compacted_topics
            )
            lane.restore_outbox([batch.number for batch in lane_batches], published_count)
            unpublished += log_end.select_missing(lane, lane_batches[published_count:])
        return unpublished

    def _start_offset(self, lane: Lane, partition: TopicPartition, log_range: range) -> int:
        """Return the offset to read from; lost facts and signals are skipped.

        Raises `LogMismatch` if records of another kind were lost.
        """
        entry = self._inputs[partition.topic]
        topic = entry.topic.suffix
        position = lane.position(topic)
        if position in log_range:
            return position
        if position >= 0:
            if entry.kind not in ("facts", "signals"):
                raise LogMismatch(self._advise_on_loss(lane, topic, log_range))
            log.warning("input records lost", topic=partition.topic, lane=lane.number, position=position)
        lane.reset_position(topic, log_range.start)
        return log_range.start

    def _advise_on_loss(self, lane: Lane, topic: str, log_range: range) -> str:
        """Return what is wrong with a log that lacks the lane's position, and how to go on."""
        name = f"{self._config.prefix}{topic}:{lane.number}"
        begin, end, position = log_range.start, log_range.stop - 1, lane.position(topic)
        if position < begin:
            loss = (
                f"{name} begins at {begin}, but was read to {position} only: records are lost; "
                "to go on without them"
            )
        else:
            # Not from the log's begin: what is left of a truncated log was decided already.
            loss = (
                f"{name} ends at {end}, but was read to {position}: the topic was truncated or recreated; "
                f"restore it, or to go on with what is written from now on"
            )
        next_offset = begin if position < begin else end
        new_positions = f"jsonb_set(positions, '{{{topic}}}', '{next_offset}')"
        update = f"UPDATE {self._topology.name}.lanes SET positions = {new_positions}"  # noqa: S608 - printed only
        return f"{loss}, run {update} WHERE lane = {lane.number}"

    def _partitions_to_await(self, owned_lanes: Mapping[int, Lane]) -> list[TopicPartition]:
        """Return the fact partitions to wait for; shared ones may be read by the owners of other lanes."""
        return [
            TopicPartition(topic, number)
            for topic, entry in self._facts.items()
            for number in (range(self._cluster.partitions) if entry.shared else owned_lanes)
        ]

    async def _fact_positions(self) -> dict[TopicPartition, int]:
        """Return the next offset to read of every fact partition; -1 before the first read."""
        async with self._pool.acquire() as connection:
            return {
                TopicPartition(topic, lane): position
                for topic, entry in self._facts.items()
                for lane, position in (await lane_store.input_positions(connection, entry.topic)).items()
            }
