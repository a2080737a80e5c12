"""Take over lanes: claim them in Postgres, fence in Kafka, compare log and outbox, and then read on."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from messaging import lanes, segments, tails, transactions
from messaging.config import Config
from messaging.domain import Domain, Layout
from messaging.errors import Damaged
from messaging.lanes import Lane
from messaging.segments import Segment
from messaging.topology import Topology

_FACTS_SECONDS = 30
_LOOK_SECONDS = 0.1

log = structlog.get_logger()


class Takeover:
    """Takes over the lanes of assigned partitions."""

    def __init__(self, config: Config, topology: Topology, layout: Layout, pool: asyncpg.Pool) -> None:
        self._config = config
        self._layout = layout
        self._pool = pool
        self._count = topology.partitions
        self._inputs = [entry.topic.name(config.prefix) for entry in layout.inputs]
        self._outputs = [topic.name(config.prefix) for topic in layout.outputs]
        self._facts = [index for index, entry in enumerate(layout.inputs) if entry.kind == "facts"]
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Stop waiting for facts, because the lanes are being revoked."""
        self._hurry.set()

    async def take(
        self, partitions: Sequence[TopicPartition], owner: str
    ) -> tuple[dict[int, Lane], list[Segment]]:
        """Acquire the lanes of these partitions; return them by number, and their unpublished batches.

        Raises `LogMismatch` if log and database contradict each other.
        """
        self._hurry.clear()
        numbers = self._whole(partitions)
        if not numbers:
            return {}, []
        async with self._pool.acquire() as connection, connection.transaction():
            claimed = await lanes.claim(connection, numbers, owner)
        # Claim before fence: an owner that is fenced after the claim finds its lanes claimed and gives up.
        zombies = frozenset[str]().union(*(lane.unfenced for lane in claimed))
        await transactions.fence(self._config, sorted(zombies))
        async with self._pool.acquire() as connection:
            await lanes.fenced(connection, claimed)
            pending = await segments.pending(connection, numbers)
        # Fence before reading the log ends: until then they may move.
        unpublished = await self._unpublished(claimed, pending)
        return {lane.number: lane for lane in claimed}, unpublished

    async def seek(self, consumer: AIOKafkaConsumer, taken: Mapping[int, Lane]) -> dict[TopicPartition, int]:
        """Seek the consumer to the lanes' positions in the database. Raises `LogMismatch` if input was lost.

        Return the beginning offsets of fact partitions whose first records were deleted, which compaction
        does not do.
        """
        places = [TopicPartition(topic, number) for number in taken for topic in self._inputs]
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        for lane in taken.values():
            for index, topic in enumerate(self._inputs):
                place = TopicPartition(topic, lane.number)
                consumer.seek(place, self._start(lane, index, place, range(begins[place], ends[place] + 1)))
        facts = {self._inputs[index] for index in self._facts}
        return {place: begin for place, begin in begins.items() if begin > 0 and place.topic in facts}

    async def read_facts(self, consumer: AIOKafkaConsumer, owned: Mapping[int, Lane]) -> bool:
        """Read facts to their current end; return False if the wait was cancelled by a revocation."""
        facts = [TopicPartition(self._inputs[index], number) for index in self._facts for number in owned]
        if facts:
            ends = await consumer.end_offsets(self._awaited(owned))
            consumer.resume(*facts)
            await self._caught_up(ends)
        return not self._hurry.is_set()

    def resume(self, consumer: AIOKafkaConsumer, owned: Mapping[int, Lane]) -> None:
        """Resume the inputs other than facts."""
        others = [
            TopicPartition(topic, number)
            for index, topic in enumerate(self._inputs)
            for number in owned
            if index not in self._facts
        ]
        consumer.resume(*others)

    async def graves(self, domain: Domain[Any], place: TopicPartition, begin: int) -> list[ConsumerRecord]:
        """Return synthetic tombstones, before the beginning, for stored keys that the topic has lost."""
        topic = self._layout.inputs[self._inputs.index(place.topic)].topic
        async with self._pool.acquire() as connection:
            keys = await domain.unseen(connection, topic, place.partition, begin)
        return [_tombstone(place, begin - 1, key) for key in keys]

    def _whole(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """Return the partitions' lane numbers. Raises `LogMismatch` if a lane lacks one of its topics."""
        numbers = sorted({partition.partition for partition in partitions})
        if len(partitions) != len(numbers) * len(self._inputs):
            msg = "a lane was assigned without all its topics: every group member must use the range assignor"
            raise Damaged(msg)
        return numbers

    async def _unpublished(self, claimed: Sequence[Lane], pending: Sequence[Segment]) -> list[Segment]:
        starts = {
            TopicPartition(topic, lane.number): lane.tails[output]
            for lane in claimed
            for output, topic in enumerate(self._outputs)
        }
        read = await tails.read(self._config, starts)
        unpublished: list[Segment] = []
        for lane in claimed:
            mine = [segment for segment in pending if segment.lane == lane.number]
            ends = [read[TopicPartition(topic, lane.number)] for topic in self._outputs]
            confirmed = tails.published(lane, self._outputs, ends, mine)
            lane.deleted = mine[0].number - 1 if mine else lane.segment
            lane.published = mine[confirmed - 1].number if confirmed else lane.deleted
            unpublished += mine[confirmed:]
        return unpublished

    def _start(self, lane: Lane, index: int, place: TopicPartition, log_: range) -> int:
        """Return the offset to read from; lost facts and signals are skipped.

        Raises `LogMismatch` if records of another kind were lost.
        """
        position = lane.positions[index]
        if position in log_:
            return position
        if position >= 0:
            where = f"{place.topic}:{place.partition}"
            if self._layout.inputs[index].kind not in ("facts", "signals"):
                msg = (
                    f"{where} has offsets {log_.start} to {log_.stop - 1}, "
                    f"but was read to {position}: records are lost; to go on without them, set "
                    f"positions[{index + 1}] of lane {lane.number} in {self._layout.name}.lanes "
                    f"to {log_.start}"
                )
                raise Damaged(msg)
            log.warning("input records lost", topic=place.topic, lane=lane.number, position=position)
        lane.positions[index] = log_.start
        return log_.start

    def _awaited(self, owned: Mapping[int, Lane]) -> list[TopicPartition]:
        """Return the fact partitions to wait for; shared ones may be read by the owners of other lanes."""
        return [
            TopicPartition(self._inputs[index], number)
            for index in self._facts
            for number in (range(self._count) if self._layout.inputs[index].shared else owned)
        ]

    async def _caught_up(self, ends: Mapping[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(_FACTS_SECONDS):
                while not self._hurry.is_set() and await self._behind(ends):
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            log.warning("timed out waiting for facts of other lanes")

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        async with self._pool.acquire() as connection:
            for index in self._facts:
                reached = await lanes.positions(connection, index)
                for place, end in ends.items():
                    if place.topic == self._inputs[index] and end > max(0, reached[place.partition]):
                        return True
        return False


def _tombstone(place: TopicPartition, offset: int, key: str) -> ConsumerRecord:
    return ConsumerRecord(
        topic=place.topic,
        partition=place.partition,
        offset=offset,
        timestamp=time.time_ns() // 1_000_000,
        timestamp_type=1,
        key=key.encode(),
        value=None,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=0,
        headers=(),
    )
