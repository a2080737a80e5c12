"""Stored facts whose records were deleted from the start of their topic, which compaction does not do."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import structlog
from aiokafka import ConsumerRecord, TopicPartition

from messaging.config import Config
from messaging.errors import LogMismatch
from messaging.processor import FactStore, Topology

log = structlog.get_logger()


class LostFacts:
    """Finds lost facts, and makes tombstones for them as long as they are few.

    One by one, facts are deleted on purpose. Many at once are a mistake, such as a clean-up policy that
    deletes: then ending everything that depends on them would be the greater damage.
    """

    def __init__(
        self, config: Config, topology: Topology, pool: asyncpg.Pool, fact_store: FactStore | None
    ) -> None:
        self._max_lost = config.max_lost_facts
        self._pool = pool
        self._fact_store = fact_store
        self._topics = {entry.topic.full_name(config.prefix): entry.topic for entry in topology.inputs}

    async def tombstones(
        self, beginning_offsets: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield tombstones for the lost facts of these partitions, with offsets before their beginnings.

        The facts must be read to their end, and each portion must be committed before the next is asked for.
        Raises `LogMismatch` before the first one if more facts in use are lost than the configuration allows.
        """
        if self._fact_store is None:
            return
        await self._require_few(self._fact_store, beginning_offsets)
        for partition, begin_offset in beginning_offsets.items():
            while keys := await self._lost_keys(self._fact_store, partition, begin_offset):
                log.warning(
                    "lost facts tombstoned",
                    topic=partition.topic,
                    lane=partition.partition,
                    keys=len(keys),
                )
                yield [_synthetic_tombstone(partition, begin_offset - 1, key) for key in keys]

    async def _require_few(
        self, fact_store: FactStore, beginning_offsets: Mapping[TopicPartition, int]
    ) -> None:
        lost: dict[str, int] = {}
        async with self._pool.acquire() as connection:
            for (topic, lane), begin_offset in beginning_offsets.items():
                lost[topic] = lost.get(topic, 0) + await fact_store.count_lost_in_use(
                    connection, self._topics[topic], lane, begin_offset
                )
        total = sum(lost.values())
        if total > self._max_lost:
            listed = ", ".join(f"{count} of {topic}" for topic, count in sorted(lost.items()) if count)
            msg = (
                f"facts in use are no longer in their topics ({listed}), and going on would end all that "
                "depends on them: write them to their topics again and start; or, to end it on purpose, "
                f"allow the loss of {total}"
            )
            raise LogMismatch(msg, setting="max_lost_facts")

    async def _lost_keys(
        self, fact_store: FactStore, partition: TopicPartition, begin_offset: int
    ) -> Sequence[str]:
        async with self._pool.acquire() as connection:
            return await fact_store.keys_not_updated_since(
                connection, self._topics[partition.topic], partition.partition, begin_offset
            )


def _synthetic_tombstone(partition: TopicPartition, offset: int, key: str) -> ConsumerRecord:
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
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
