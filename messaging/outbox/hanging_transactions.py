"""Transactions of fenced owners whose end never reached a partition, and how a takeover ends them."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Collection, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.errors import UNAVAILABLE_ERRORS
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.outbox import transactions

_ATTEMPTS = 5
_LONGEST_WAIT_SECONDS = 0.3

log = structlog.get_logger()


async def abort_hanging(
    config: Config,
    consumer: AIOKafkaConsumer,
    end_offsets: Mapping[TopicPartition, int],
    fenced_owners: Mapping[TopicPartition, Collection[str]],
) -> None:
    """Abort what fenced owners left open on partitions whose stable offset is before the end offset.

    `consumer` reads committed records; `fenced_owners` are the transactional ids that may have written to a
    partition. Fencing an id waits for every end of its transactions that Kafka is going to write: a stable
    offset that is behind after that stays there, and everything behind it is hidden from readers.
    """
    for _ in range(_ATTEMPTS):
        hanging = await _find_hanging(consumer, end_offsets, fenced_owners)
        if not hanging:
            return
        for owner, partitions in hanging.items():
            await _try_abort(config, owner, partitions)
        # Other workers may abort the same owner's transactions on their lanes: each fences the other's try.
        await asyncio.sleep(random.uniform(0, _LONGEST_WAIT_SECONDS))  # noqa: S311 - no secret


async def _find_hanging(
    consumer: AIOKafkaConsumer,
    end_offsets: Mapping[TopicPartition, int],
    fenced_owners: Mapping[TopicPartition, Collection[str]],
) -> dict[str, list[TopicPartition]]:
    """Return the partitions whose stable offset is before their end, by each owner that may be the cause."""
    stable_offsets = await consumer.end_offsets(list(end_offsets))
    hanging: dict[str, list[TopicPartition]] = defaultdict(list)
    for partition, end_offset in end_offsets.items():
        if stable_offsets[partition] < end_offset:
            for owner in fenced_owners.get(partition, ()):
                hanging[owner].append(partition)
    return hanging


async def _try_abort(config: Config, owner: str, partitions: Collection[TopicPartition]) -> None:
    names = sorted(f"{partition.topic}:{partition.partition}" for partition in partitions)
    try:
        await transactions.abort_left_open(config, owner, partitions)
    except (*UNAVAILABLE_ERRORS, NotConfirmed) as error:
        log.warning("hanging transaction not aborted", owner=owner, partitions=names, error=str(error))
    else:
        log.warning("hanging transaction aborted", owner=owner, partitions=names)
