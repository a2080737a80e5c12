"""Whether a topic has newer facts than those of dead letters, which a redrive would replace."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.log_reader import offset_bounds, poll_partitions
from cohost_schemas import timestamps
from services.gateway.ops.dead_letters.record_check import CheckedRecord

_MAX_SECONDS = 2.0
_NONE_LATER = 2**62
"""An offset beyond all."""

log = structlog.get_logger()


class NewerFactSearch:
    """Searches the topics of facts from where each fact of a dead letter was, for as long as it may take."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def find_newer(self, facts: Sequence[CheckedRecord]) -> list[bool | None]:
        """Return of each fact whether its topic has a newer one of its key; None where that is not known."""
        last_offsets: dict[tuple[TopicPartition, bytes | None], int] = {}
        starts: list[int] = []
        is_complete = False
        try:
            async with asyncio.timeout(_MAX_SECONDS), self._connection.open_consumer() as consumer:
                starts += await _find_starts(consumer, facts)
                await _read_keys(consumer, facts, starts, last_offsets)
                is_complete = True
        except UNAVAILABLE_ERRORS as error:
            log.info("newer facts not searched to the end", error=repr(error))
        if not starts:
            return [None for _ in facts]
        return [
            last_offsets.get((_partition_of(fact), fact.key), -1) >= start or (False if is_complete else None)
            for fact, start in zip(facts, starts, strict=True)
        ]


async def _find_starts(consumer: AIOKafkaConsumer, facts: Sequence[CheckedRecord]) -> list[int]:
    """Return of each fact the first offset, where it belongs, that is later than where it was."""
    moved = {
        number: {_partition_of(fact): timestamps.to_ms(fact.letter.at) + 1}
        for number, fact in enumerate(facts)
        if fact.partition != fact.letter.partition
    }
    found = {number: await consumer.offsets_for_times(times) for number, times in moved.items()}
    starts = []
    for number, fact in enumerate(facts):
        if number not in found:
            starts.append(fact.letter.offset + 1)
            continue
        later = found[number][_partition_of(fact)]
        starts.append(_NONE_LATER if later is None else later.offset)
    return starts


async def _read_keys(
    consumer: AIOKafkaConsumer,
    facts: Sequence[CheckedRecord],
    starts: Sequence[int],
    last_offsets: dict[tuple[TopicPartition, bytes | None], int],
) -> None:
    first: dict[TopicPartition, int] = {}
    for fact, start in zip(facts, starts, strict=True):
        partition = _partition_of(fact)
        first[partition] = min(start, first.get(partition, start))
    begins, ends = await offset_bounds(consumer, list(first))
    first = {partition: max(start, begins[partition]) for partition, start in first.items()}
    async with contextlib.aclosing(poll_partitions(consumer, first, ends)) as polls:
        async for fetched in polls:
            for partition, records in fetched.items():
                for record in records:
                    last_offsets[partition, record.key] = record.offset


def _partition_of(fact: CheckedRecord) -> TopicPartition:
    return TopicPartition(fact.letter.topic, fact.partition)
