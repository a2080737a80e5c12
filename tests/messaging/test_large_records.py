"""Large records are parsed outside the event loop, in the order of the log."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from messaging.batch.decider import BatchDecider
from messaging.batch.encoder import RecordEncoder
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.inputs.record_size import LARGE_RECORD_BYTES
from messaging.lanes.lane import Lane
from messaging.metrics import PipelineMetrics
from tests.messaging.counter_processor import TOPOLOGY, CounterProcessor

PARTITIONS = 3


class ThreadRecorder(RecordParser):
    """Records for each offset whether it was parsed in the event loop's thread."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY.inputs, "cohost.", PARTITIONS)
        self.in_event_loop: dict[int, bool] = {}
        self._event_loop_thread = threading.get_ident()

    def parse_any(self, record: ConsumerRecord) -> ParsedRecord:
        self.in_event_loop[record.offset] = threading.get_ident() == self._event_loop_thread
        return super().parse_any(record)


class EmptyDatabase:
    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["EmptyDatabase"]:
        yield self

    async def fetch(self, *_: object) -> list[Any]:
        return []


def record_of(offset: int, size: int) -> ConsumerRecord:
    return ConsumerRecord(
        topic="cohost.invitations.commands",
        partition=0,
        offset=offset,
        timestamp=1,
        timestamp_type=1,
        key=None,
        value=b"x" * size,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=size,
        headers=(),
    )


async def test_only_large_records_are_parsed_outside_the_event_loop() -> None:
    parser = ThreadRecorder()
    decider = BatchDecider(
        CounterProcessor(),
        parser,
        RecordEncoder(TOPOLOGY, "cohost.", "cluster"),
        PipelineMetrics(CollectorRegistry(), "test"),
        "cohost.",
    )
    records = [record_of(0, 10), record_of(1, LARGE_RECORD_BYTES + 1), record_of(2, LARGE_RECORD_BYTES)]
    batch = await decider.decide_batch(cast("asyncpg.Pool", EmptyDatabase()), {0: Lane(0, 1)}, records, 0)
    assert parser.in_event_loop == {0: True, 1: False, 2: True}
    [outbox] = batch.outbox_batches
    assert [dict(letter.headers)["dead-letter-offset"] for letter in outbox.records] == [b"0", b"1", b"2"]
