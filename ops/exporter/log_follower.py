"""Read both topics of events from their beginning, and count each event once."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition

from cohost.events import parse_event_data
from cohost.kafka.backoff import Backoff
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.log_reader import LogReader, fetch_offset_bounds
from cohost_schemas import envelope, topics
from ops.exporter.metrics import LogMetrics
from ops.exporter.sequences import SequenceCheck
from ops.exporter.stage_history import StageHistory

_TOPICS = (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS)
_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
# Between them HTTP is answered.
_RECORDS_PER_TURN = 200

log = structlog.get_logger()


class LogFollower:
    """Follows the events of both services until stopped, through outages.

    It is ready once it has read all that was in the log when it started. If the log loses its place, it goes
    on at the log's first record, and the sequences show what is missing.
    """

    def __init__(self, connection: KafkaConnection, history: StageHistory, metrics: LogMetrics) -> None:
        self._connection = connection
        self._history = history
        self._metrics = metrics
        self._sequences = SequenceCheck(metrics)
        self._stopping = asyncio.Event()
        self._reader: LogReader | None = None
        self._missing_ends: dict[TopicPartition, int] = {}

    @property
    def is_ready(self) -> bool:
        """Return whether everything is counted that was in the log at the start."""
        if self._reader is None:
            return False
        passed = self._reader.passed_offsets
        self._missing_ends = {at: end for at, end in self._missing_ends.items() if passed[at] < end}
        return not self._missing_ends

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Read until stopped."""
        reading = asyncio.create_task(self._read_on())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not reading.done():
            reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    async def _read_on(self) -> None:
        begin_offsets = await self._wait_for_topics()
        self._reader = LogReader(self._connection, begin_offsets, skip_gaps=True)
        async with contextlib.aclosing(self._reader.read_batches()) as batches:
            async for batch in batches:
                await self._count_records(self._sequences.select_new(batch))

    async def _wait_for_topics(self) -> Mapping[TopicPartition, int]:
        """Return the first offsets in the log, once the topics exist and Kafka tells them."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                counts = await self._connection.partition_counts(_TOPICS)
                partitions = [
                    TopicPartition(self._connection.topic_name(topic), number)
                    for topic, count in counts.items()
                    for number in range(count)
                ]
                begin_offsets, self._missing_ends = await fetch_offset_bounds(self._connection, partitions)
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    log.warning("topics cannot be read", error=repr(error))
                await asyncio.sleep(backoff.next_wait())
            else:
                for topic in counts:
                    self._metrics.start_topic(self._connection.topic_name(topic))
                return begin_offsets

    async def _count_records(self, records: Sequence[Any]) -> None:
        for count, record in enumerate(records, 1):
            if not self._count_record(record):
                self._metrics.unreadable.labels(record.topic).inc()
            if count % _RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _count_record(self, record: Any) -> bool:
        """Count a record's event; return False if it has none that this version knows."""
        try:
            event = envelope.decode_event(record.value, record.headers)
        except envelope.NotACloudEvent:
            return False
        data = parse_event_data(event)
        if data is None or event.time is None:
            return False
        try:
            self._history.add_event(data, event.time)
        except (KeyError, ValueError):
            # No service writes such an event, for example with a date that does not exist. As an error it
            # would end the process at each start.
            return False
        return True
