"""Decide batches of records: their output records, outcomes and lane updates."""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from messaging.batch.encoder import RecordEncoder
from messaging.batch.record_decider import RecordDecider, RecordDecisions
from messaging.inputs import record_size
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.lanes.lane import Lane, LaneUpdate
from messaging.metrics import PipelineMetrics
from messaging.outbox.store import EncodedRecord, OutboxBatch
from messaging.processor import Processor
from messaging.tracing.record_tracer import RecordTracer, set_outcome

_YIELD_EVERY = 25
"""Number of records decided before the event loop runs other tasks, such as the commit and the publisher.

A commit takes a dozen round trips, and each round trip two turns of the event loop: without enough turns the
commit would still be running when the next batch is decided.
"""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Bytes that a batch may publish before its remaining records go to the next: it must fit one transaction."""


@dataclass(slots=True)
class DecidedBatch:
    """A batch as decided. It is void once the committer's `undo_count` has grown beyond this one.

    `input_records` are the decided ones: fewer than were given if the batch was cut short by its size.
    """

    undo_count: int
    input_records: Sequence[ConsumerRecord]
    decisions: RecordDecisions
    lane_updates: list[LaneUpdate] = field(default_factory=list)
    outbox_batches: list[OutboxBatch] = field(default_factory=list)


class BatchDecider:
    """Decides batches for the lanes that the worker owns, in memory and in log order."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a decision
        self,
        processor: Processor[Any],
        parser: RecordParser,
        encoder: RecordEncoder,
        metrics: PipelineMetrics,
        prefix: str,
        tracer: RecordTracer | None = None,
    ) -> None:
        self._processor = processor
        self._parser = parser
        self._tracer = tracer
        self._record_decider = RecordDecider(processor, encoder, tracer)
        self._metrics = metrics
        inputs = [entry.topic for entry in processor.topology.inputs]
        self._input_order = {topic.full_name(prefix): order for order, topic in enumerate(inputs)}
        self._suffixes = {topic.full_name(prefix): topic.suffix for topic in inputs}

    async def decide_batch(
        self,
        pool: asyncpg.Pool,
        lanes: Mapping[int, Lane],
        records: Sequence[ConsumerRecord],
        undo_count: int,
        duplicate_ids: AbstractSet[str] | None = None,
    ) -> DecidedBatch:
        """Parse, load and decide records, and advance the lanes in memory.

        The batch may cover only the first records. `duplicate_ids` are the ids of commands that already have
        an outcome; with them the batch covers all records, because it repeats a batch that covered exactly
        these.
        """
        batch = DecidedBatch(undo_count, records, RecordDecisions(self._processor.new_changes()))
        with self._metrics.stage_seconds.labels("read").time():
            parsed_records, repeated = await self._parse_records(records, duplicate_ids or frozenset())
        with self._metrics.stage_seconds.labels("load").time():
            async with pool.acquire() as connection:
                await self._processor.load(
                    connection,
                    [parsed.input_record for parsed in parsed_records if parsed.input_record is not None],
                )
        with self._metrics.stage_seconds.labels("decide").time():
            max_bytes = math.inf if duplicate_ids is not None else MAX_BATCH_BYTES
            records_by_lane, bytes_by_lane = await self._decide_records(
                lanes, parsed_records, batch, max_bytes
            )
        self._advance_positions(lanes, batch.input_records)
        self._trace_repeated(lanes, repeated, batch)
        # A record that is decided in part is published by its lane, but is no input record of the batch yet.
        for number in {record.partition for record in batch.input_records} | records_by_lane.keys():
            self._finish_lane(lanes[number], records_by_lane.get(number, []), bytes_by_lane[number], batch)
        return batch

    def unprocessed_records(
        self, lanes: Mapping[int, Lane], fetched: Iterable[ConsumerRecord]
    ) -> list[ConsumerRecord]:
        """Return the records of owned lanes that were not decided before, in the order of their topics."""
        suffixes, input_order = self._suffixes, self._input_order
        unprocessed = [
            record
            for record in fetched
            if (lane := lanes.get(record.partition)) is not None
            and record.offset >= lane.position(suffixes[record.topic])
        ]
        unprocessed.sort(key=lambda record: input_order[record.topic])
        return unprocessed

    async def _parse_records(
        self, records: Sequence[ConsumerRecord], duplicate_ids: AbstractSet[str]
    ) -> tuple[list[ParsedRecord], list[ParsedRecord]]:
        """Return the records to decide, and the commands that repeat another one."""
        seen = set(duplicate_ids)
        parsed_records, repeated = [], []
        parse_valid, parse_any = self._parser.parse_valid, self._parser.parse_any
        for count, record in enumerate(records, 1):
            parsed = parse_valid(record)
            if parsed is None:
                # A thread gives the interpreter back every few milliseconds; the event loop would not.
                is_large = record_size.is_large(record)
                parsed = await asyncio.to_thread(parse_any, record) if is_large else parse_any(record)
            if parsed.is_command:
                if parsed.id in seen:
                    repeated.append(parsed)
                    continue
                seen.add(parsed.id)
            parsed_records.append(parsed)
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return parsed_records, repeated

    async def _decide_records(
        self,
        lanes: Mapping[int, Lane],
        parsed_records: Sequence[ParsedRecord],
        batch: DecidedBatch,
        max_bytes: float,
    ) -> tuple[dict[int, list[EncodedRecord]], Counter[int]]:
        records_by_lane: dict[int, list[EncodedRecord]] = {}
        bytes_by_lane = Counter[int]()
        total = 0
        decide_record = self._record_decider.decide_record
        for count, parsed in enumerate(parsed_records, 1):
            if total > max_bytes:
                _truncate_before(batch, parsed.raw_record)
                break
            number = parsed.raw_record.partition
            records = decide_record(lanes[number], parsed, batch.decisions)
            size = sum([record.estimated_size() for record in records])
            bytes_by_lane[number] += size
            total += size
            records_by_lane.setdefault(number, []).extend(records)
            if batch.decisions.is_partial:
                _truncate_before(batch, parsed.raw_record)
                break
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return records_by_lane, bytes_by_lane

    def _trace_repeated(
        self, lanes: Mapping[int, Lane], repeated: Sequence[ParsedRecord], batch: DecidedBatch
    ) -> None:
        if self._tracer is None:
            return
        for parsed in repeated:
            record = parsed.raw_record
            # Those behind the end of a batch that was cut short are in the next one.
            is_included = record.offset < lanes[record.partition].position(self._suffixes[record.topic])
            if is_included and (span := self._tracer.begin_decision(parsed)) is not None:
                set_outcome(span, "repeated")
                batch.decisions.spans.append(span)

    def _advance_positions(self, lanes: Mapping[int, Lane], records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            lanes[record.partition].advance_position(self._suffixes[record.topic], record.offset + 1)

    def _finish_lane(self, lane: Lane, records: list[EncodedRecord], size: int, batch: DecidedBatch) -> None:
        if records:
            batch.outbox_batches.append(OutboxBatch(lane.number, lane.next_batch_number(), records, size))
        batch.lane_updates.append(lane.snapshot_update())


def _truncate_before(batch: DecidedBatch, first_excluded: ConsumerRecord) -> None:
    """Leave this record and all records after it to the next batch."""
    batch.input_records = list(
        itertools.takewhile(lambda record: record is not first_excluded, batch.input_records)
    )
