"""The dead letters in the log, read by ranges of offsets with one connection."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.log_reader import offset_bounds, poll_partitions
from cohost_schemas.ops.state import ServiceName
from services.gateway.http.command_answers import RETRY_SECONDS
from services.gateway.ops.consumer_pool import ConsumerPool
from services.gateway.ops.dead_letters.letter import LETTER_TOPICS, Letter, LetterPosition, parse_letter
from services.gateway.ops.dead_letters.record_check import RecordChecker
from services.runtime.http.problems import HttpProblem

_READ_SECONDS = 5
_MAX_GAP = 16
"""Offsets between two wanted records beyond which they are fetched one after the other."""

log = structlog.get_logger()

T = TypeVar("T")


class OffsetRange(NamedTuple):
    """Offsets of a partition, from `begin` up to, but without, `end`."""

    begin: int
    end: int


class LetterPartition(NamedTuple):
    """A partition of a service's dead-letter topic."""

    service: ServiceName
    number: int


class LetterLog:
    """Reads the dead-letter topics, one request at a time. Its methods raise `HttpProblem` (503)."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._consumers = ConsumerPool(connection, size=1)
        self._partition_count: int | None = None
        self._checker: RecordChecker | None = None

    async def close(self) -> None:
        """Close the connection."""
        await self._consumers.close()

    async def partition_count(self) -> int:
        """Return the number of partitions, which is the same of every topic."""
        if self._partition_count is None:
            async with _answering_unavailable(), asyncio.timeout(_READ_SECONDS):
                counts = await self._connection.partition_counts(LETTER_TOPICS.values())
            self._partition_count = min(counts.values())
        return self._partition_count

    async def checker(self) -> RecordChecker:
        """Return what judges the records of dead letters."""
        if self._checker is None:
            self._checker = RecordChecker(self._connection.prefix, await self.partition_count())
        return self._checker

    async def fetch_bounds(self, services: Iterable[ServiceName]) -> dict[LetterPartition, OffsetRange]:
        """Return the offsets that the topics of these services have, partition by partition."""
        numbers = range(await self.partition_count())
        names = {
            self._full_name(LetterPartition(service, number)): LetterPartition(service, number)
            for service in services
            for number in numbers
        }
        async with self._connected() as consumer:
            begins, ends = await offset_bounds(consumer, list(names))
        return {partition: OffsetRange(begins[name], ends[name]) for name, partition in names.items()}

    async def read_ranges(
        self, ranges: Mapping[LetterPartition, OffsetRange], convert: Callable[[Letter], T | None]
    ) -> dict[LetterPartition, list[T]]:
        """Return what `convert` makes of the dead letters of these ranges, in the log's order."""
        names = {self._full_name(partition): partition for partition in ranges}
        found: dict[LetterPartition, list[T]] = {partition: [] for partition in ranges}
        starts = {name: ranges[partition].begin for name, partition in names.items()}
        ends = {name: ranges[partition].end for name, partition in names.items()}
        async with (
            self._connected() as consumer,
            contextlib.aclosing(poll_partitions(consumer, starts, ends)) as polls,
        ):
            async for fetched in polls:
                for name, records in fetched.items():
                    partition = names[name]
                    letters = (parse_letter(record, partition.service) for record in records)
                    converted = (convert(letter) for letter in letters if letter is not None)
                    found[partition] += [item for item in converted if item is not None]
        return found

    async def read_letters(self, positions: Collection[LetterPosition]) -> dict[LetterPosition, Letter]:
        """Return the dead letters at these positions; there may be none at some."""
        bounds = await self.fetch_bounds({position.service for position in positions})
        wanted: dict[LetterPartition, list[int]] = {}
        for service, number, offset in sorted(positions):
            partition = LetterPartition(service, number)
            if partition in bounds and bounds[partition].begin <= offset < bounds[partition].end:
                wanted.setdefault(partition, []).append(offset)
        found: dict[LetterPosition, Letter] = {}
        runs = {partition: list(_runs(offsets)) for partition, offsets in wanted.items()}
        for turn in range(max(map(len, runs.values()), default=0)):
            ranges = {partition: those[turn] for partition, those in runs.items() if turn < len(those)}
            read = await self.read_ranges(
                ranges, lambda letter: letter if letter.position in positions else None
            )
            found.update((letter.position, letter) for letter in itertools.chain(*read.values()))
        return found

    def _full_name(self, partition: LetterPartition) -> TopicPartition:
        return TopicPartition(self._connection.topic_name(LETTER_TOPICS[partition.service]), partition.number)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with (
            _answering_unavailable(),
            asyncio.timeout(_READ_SECONDS),
            self._consumers.borrow_consumer() as consumer,
        ):
            yield consumer


@contextlib.asynccontextmanager
async def _answering_unavailable() -> AsyncIterator[None]:
    try:
        yield
    except UNAVAILABLE_ERRORS as error:
        log.warning("dead letters cannot be read", error=repr(error))
        raise HttpProblem(
            503, "unavailable", "Kafka is unavailable; try again.", retry_after=RETRY_SECONDS
        ) from None


def _runs(offsets: Iterable[int]) -> Iterator[OffsetRange]:
    """Return ranges that cover sorted offsets, without long gaps."""
    begin = end = -1
    for offset in offsets:
        if begin >= 0 and offset - end > _MAX_GAP:
            yield OffsetRange(begin, end)
            begin = -1
        if begin < 0:
            begin = offset
        end = offset + 1
    if begin >= 0:
        yield OffsetRange(begin, end)
