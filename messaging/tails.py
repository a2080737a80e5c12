"""Read the ends of the output partitions and find the outbox batches that are already published."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from messaging.closing import closed
from messaging.config import Config
from messaging.errors import Damaged
from messaging.lanes import Lane
from messaging.segments import Segment

_READ_SECONDS = 60
_CLOSE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Tail:
    """The log after a lane's last confirmed offset: its end, and each record's (sequence, offset)."""

    end: int
    found: Sequence[tuple[int, int]]


async def read(config: Config, starts: Mapping[TopicPartition, int]) -> dict[TopicPartition, Tail]:
    """Read the committed records of each partition from its start offset to its current end.

    Raises `TimeoutError` if that takes longer than a minute.
    """
    if not starts:
        return {}
    async with asyncio.timeout(_READ_SECONDS):
        # Not the last stable offset: the markers of a confirmed transaction may not be written yet. Every
        # producer that could leave a transaction open is fenced, so the stable offset will reach this end.
        async with _consumer(config, "read_uncommitted") as consumer:
            ends = await consumer.end_offsets(list(starts))
        async with _consumer(config, "read_committed") as consumer:
            consumer.assign(list(starts))
            return await _read(consumer, starts, ends)


@contextlib.asynccontextmanager
async def _consumer(config: Config, isolation_level: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **config.client(),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
        request_timeout_ms=10_000,
        retry_backoff_ms=10,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await closed(consumer.stop(), _CLOSE_SECONDS)


def published(lane: Lane, topics: Sequence[str], tails: Sequence[Tail], pending: Sequence[Segment]) -> int:
    """Compare a lane's log ends with its outbox, and return the number of batches found published.

    The lane's published sequences and offsets are advanced. A batch is published if and only if its last
    record of each output is in the log. Raises `LogMismatch` if log and database contradict each other.
    """
    for output, (topic, tail) in enumerate(zip(topics, tails, strict=True)):
        _check(lane, output, f"{topic}:{lane.number}", tail, compacted=topic.endswith("badges"))
    confirmed = _confirmed(lane, pending)
    _check_rest(lane, pending[confirmed:])
    return confirmed


def _confirmed(lane: Lane, pending: Sequence[Segment]) -> int:
    there = [
        {record.sequence <= lane.acknowledged[record.output] for record in segment.records}
        for segment in pending
    ]
    count = sum(marks == {True} for marks in there)
    if any(marks != {True} for marks in there[:count]) or any(marks != {False} for marks in there[count:]):
        msg = (
            f"lane {lane.number}: only part of a transaction is in the log; the topics contradict each other"
        )
        raise Damaged(msg)
    return count


def _check_rest(lane: Lane, unpublished: Sequence[Segment]) -> None:
    """Check that the unpublished batches continue the log without a gap."""
    expected = list(lane.acknowledged)
    for record in (record for segment in unpublished for record in segment.records):
        expected[record.output] += 1
        if record.sequence != expected[record.output]:
            msg = (
                f"lane {lane.number}: sequence {expected[record.output]} of output {record.output} "
                "is missing from log and outbox"
            )
            raise Damaged(msg)
    if expected != lane.decided:
        msg = f"lane {lane.number}: the last decided records are missing from log and outbox"
        raise Damaged(msg)


async def _read(
    consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Tail]:
    begins = await consumer.beginning_offsets(list(starts))
    found: dict[TopicPartition, list[tuple[int, int]]] = {where: [] for where in starts}
    open_ = {where for where in starts if max(starts[where], begins[where]) < ends[where]}
    for where in starts:
        if where in open_:
            consumer.seek(where, max(starts[where], begins[where]))
        else:
            consumer.pause(where)
    while open_:
        for where, records in (await consumer.getmany(*open_, timeout_ms=100)).items():
            found[where] += [
                (_sequence(record.headers), record.offset)
                for record in records
                if record.offset < ends[where]
            ]
        # Control and aborted records take offsets but are never delivered: only the position shows the end.
        open_ = {where for where in open_ if await consumer.position(where) < ends[where]}
    return {where: Tail(ends[where], found[where]) for where in starts}


def _sequence(headers: Sequence[tuple[str, bytes]]) -> int:
    for name, value in reversed(headers):
        if name == "sequence" and value.isdigit():
            return int(value)
    return 0


def _check(lane: Lane, output: int, where: str, tail: Tail, *, compacted: bool) -> None:
    acknowledged = lane.acknowledged[output]
    if tail.end < lane.tails[output]:
        msg = (
            f"{where} ends at {tail.end}, before {lane.tails[output]}: "
            "the topic was truncated or recreated; restore a later state of it"
        )
        raise Damaged(msg)
    for sequence, offset in tail.found:
        if sequence > lane.decided[output]:
            msg = (
                f"{where} is ahead of the database (sequence {sequence}): "
                "the database lost commits; restore a later state of it"
            )
            raise Damaged(msg)
        if sequence <= acknowledged or (sequence != acknowledged + 1 and not compacted):
            msg = (
                f"{where} has sequence {sequence} at offset {offset}, "
                f"after sequence {acknowledged}: the topic was truncated"
            )
            raise Damaged(msg)
        acknowledged = sequence
        lane.tails[output] = offset + 1
    lane.acknowledged[output] = acknowledged
