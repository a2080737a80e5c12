"""Read the ends of the output partitions and find the outbox batches that are already published."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka import log_reader
from messaging.config import Config
from messaging.errors import LogMismatch, NotConfirmed
from messaging.lanes.lane import Lane
from messaging.outbox import hanging_transactions
from messaging.outbox.store import OutboxBatch

_READ_SECONDS = 60
# Short waits, although they cost the broker more: a takeover waits for these reads.
_OPTIONS = {"fetch_max_wait_ms": 10, "retry_backoff_ms": 10}


@dataclass(frozen=True, slots=True)
class LogEnd:
    """A log from the last confirmed record of a lane: its end, and each record's (sequence, offset).

    Records before `first_offset` are not in the log any more.
    """

    end_offset: int
    sequence_offsets: Sequence[tuple[int, int]]
    first_offset: int = 0


async def read_log_ends(
    config: Config,
    start_offsets: Mapping[TopicPartition, int],
    fenced_owners: Mapping[TopicPartition, Collection[str]] = MappingProxyType({}),
) -> dict[TopicPartition, LogEnd]:
    """Read the committed records of each partition from the last one before its start offset to its end.

    `fenced_owners` are the transactional ids that may have left a hanging transaction on a partition: it is
    aborted. Raises `NotConfirmed` if all that takes longer than a minute.
    """
    if not start_offsets:
        return {}
    async with _time_limit():
        # Not the last stable offset: the markers of a confirmed transaction may not be written yet. Every
        # producer that could leave a transaction open is fenced, so the stable offset will reach this end.
        async with config.kafka.open_consumer(**_OPTIONS, isolation_level="read_uncommitted") as consumer:
            end_offsets = await consumer.end_offsets(list(start_offsets))
        async with config.kafka.open_consumer(**_OPTIONS) as consumer:
            await hanging_transactions.abort_hanging(config, consumer, end_offsets, fenced_owners)
            return await _read_to_ends(consumer, start_offsets, end_offsets)


@contextlib.asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_READ_SECONDS):
            yield
    except TimeoutError as error:
        msg = (
            f"the ends of the output topics were not read within {_READ_SECONDS} s: "
            "Kafka is slow, or another writer has an open transaction on one of them"
        )
        raise NotConfirmed(msg) from error


def confirm_published(
    lane: Lane,
    log_ends: Mapping[str, LogEnd],
    batches: Sequence[OutboxBatch],
    compacted: Collection[str] = (),
) -> int:
    """Compare a lane's log ends with its outbox, and return the number of batches found published.

    `log_ends` are by topic, without the prefix; the topics in `compacted` may lack records before others. The
    lane's published sequences and offsets are advanced. These batches are the first ones that are published
    completely; `select_missing` returns what to publish of the others. Raises `LogMismatch` if log and
    database contradict each other.
    """
    for topic, log_end in log_ends.items():
        _apply_log_end(lane, topic, log_end, compacted=topic in compacted)
    missing = select_missing(lane, batches)
    _check_no_gap(lane, missing)
    return sum(1 for _ in itertools.takewhile(lambda batch: not batch.records, missing))


def select_missing(lane: Lane, batches: Iterable[OutboxBatch]) -> list[OutboxBatch]:
    """Return the batches with the records alone that are not in the log, which may be none.

    A transaction is all or nothing for its coordinator, but its end may have reached only some partitions.
    """
    return [
        batch._replace(
            records=[
                record
                for record in batch.records
                if record.sequence > lane.published_sequences.get(record.topic, 0)
            ]
        )
        for batch in batches
    ]


def _describe_start(log_end: LogEnd) -> str:
    for sequence, offset in log_end.sequence_offsets[:1]:
        return f"offsets {log_end.first_offset} to {log_end.end_offset}, sequence {sequence} at {offset}"
    return f"offsets {log_end.first_offset} to {log_end.end_offset}"


def _check_no_gap(lane: Lane, batches: Sequence[OutboxBatch]) -> None:
    """Check that the records that are not in the log continue it without a gap."""
    expected = dict(lane.published_sequences)
    for record in (record for batch in batches for record in batch.records):
        expected[record.topic] = expected.get(record.topic, 0) + 1
        if record.sequence != expected[record.topic]:
            msg = (
                f"lane {lane.number}: sequence {expected[record.topic]} of topic {record.topic} "
                "is missing from log and outbox"
            )
            raise LogMismatch(msg)
    if expected != lane.decided_sequences:
        msg = f"lane {lane.number}: the last decided records are missing from log and outbox"
        raise LogMismatch(msg)


async def _read_to_ends(
    consumer: AIOKafkaConsumer,
    start_offsets: Mapping[TopicPartition, int],
    end_offsets: Mapping[TopicPartition, int],
) -> dict[TopicPartition, LogEnd]:
    beginning_offsets = await consumer.beginning_offsets(list(start_offsets))
    # Records may have been deleted since the last session; compaction leaves gaps, which are checked later.
    first_offsets = {
        partition: max(offset - 1, beginning_offsets[partition])
        for partition, offset in start_offsets.items()
    }
    sequence_offsets: dict[TopicPartition, list[tuple[int, int]]] = {
        partition: [] for partition in start_offsets
    }
    async for fetched in log_reader.poll_partitions(consumer, first_offsets, end_offsets):
        for partition, records in fetched.items():
            sequence_offsets[partition] += [
                (_sequence_of(record.headers), record.offset) for record in records
            ]
    return {
        partition: LogEnd(end_offsets[partition], sequence_offsets[partition], beginning_offsets[partition])
        for partition in start_offsets
    }


def _sequence_of(headers: Sequence[tuple[str, bytes]]) -> int:
    for name, value in reversed(headers):
        if name == "sequence" and value.isdigit():
            return int(value)
    return 0


def _apply_log_end(lane: Lane, topic: str, log_end: LogEnd, *, compacted: bool) -> None:
    partition_name = f"{topic}:{lane.number}"
    last_sequence = lane.published_sequences.get(topic, 0)
    last_decided = lane.decided_sequences.get(topic, 0)
    published_end = lane.published_end_offset(topic)
    if log_end.end_offset < published_end:
        msg = (
            f"{partition_name} ends at {log_end.end_offset}, before {published_end}: "
            "the topic was truncated or recreated; restore a later state of it"
        )
        raise LogMismatch(msg)
    # A log that lost its last records and grew again is long enough, but has others in their place.
    confirmed = [sequence for sequence, offset in log_end.sequence_offsets if offset < published_end]
    may_lack_record = compacted or log_end.first_offset >= published_end
    if confirmed != [last_sequence] and (confirmed or not may_lack_record):
        msg = (
            f"{partition_name} has {_describe_start(log_end)}, but sequence {last_sequence} was published at "
            f"offset {published_end - 1}: the topic was truncated; restore a state of it that has this record"
        )
        raise LogMismatch(msg)
    for sequence, offset in log_end.sequence_offsets[len(confirmed) :]:
        if sequence > last_decided:
            msg = (
                f"{partition_name} is ahead of the database (sequence {sequence}): "
                "the database lost commits; restore a later state of it"
            )
            raise LogMismatch(msg)
        if sequence <= last_sequence or (sequence != last_sequence + 1 and not compacted):
            msg = (
                f"{partition_name} has sequence {sequence} at offset {offset}, "
                f"after sequence {last_sequence}: the topic was truncated"
            )
            raise LogMismatch(msg)
        last_sequence = sequence
        lane.record_settled_end(topic, sequence, offset + 1)
