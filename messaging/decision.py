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

from messaging import records
from messaging.domain import Domain, Refusal
from messaging.intake import Intake, Reading, named
from messaging.lanes import Advance, Lane
from messaging.metrics import Metrics
from messaging.outcomes import Row
from messaging.records import Records
from messaging.segments import Record, Segment
from schemas import timestamps
from schemas.types import Message

_BREATH = 25
"""Number of records decided before the event loop runs other tasks, such as the commit and the publisher.

A commit takes a dozen round trips, and each round trip two turns of the event loop: the commit must be
finished by the time the next batch is decided.
"""

ENOUGH_BYTES = 4 * 1024 * 1024
"""Bytes that a batch may publish before its remaining records go to the next: it must fit one transaction."""


@dataclass(slots=True)
class Decision:
    """A batch as decided. It is void once `generation` is no longer the committer's current one.

    `input_records` are the decided ones; `is_complete` is False if the batch was cut short by its size.
    """

    generation: int
    taken: Sequence[ConsumerRecord]
    changes: Any
    whole: bool = True
    advances: list[Advance] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


class Decider:
    """Decides batches for the lanes that the worker owns, in memory and in log order."""

    def __init__(
        self,
        domain: Domain[Any],
        intake: Intake,
        writer: Records,
        metrics: Metrics,
        topics: Sequence[str],
    ) -> None:
        self._domain = domain
        self._intake = intake
        self._writer = writer
        self._metrics = metrics
        self._topics = {topic: index for index, topic in enumerate(topics)}

    async def decide(
        self,
        pool: asyncpg.Pool,
        lanes: Mapping[int, Lane],
        taken: Sequence[ConsumerRecord],
        generation: int,
        repeated: AbstractSet[str] | None = None,
    ) -> Decision:
        """Parse, load and decide records, and advance the lanes in memory.

        The batch may cover only the first records. With `duplicate_ids`, the ids of commands that already
        have an outcome, it covers all of them: it then repeats a batch that covered exactly these records.
        """
        decision = Decision(generation, taken, self._domain.changes())
        with self._metrics.stage.labels("read").time():
            readings = await self._read(taken, repeated or frozenset())
        with self._metrics.stage.labels("load").time():
            async with pool.acquire() as connection:
                await self._domain.load(
                    connection, [reading.incoming for reading in readings if reading.incoming is not None]
                )
        with self._metrics.stage.labels("decide").time():
            enough = math.inf if repeated is not None else ENOUGH_BYTES
            written, sizes = await self._decide(lanes, readings, decision, enough)
        self._advance(lanes, decision.taken)
        for number in {record.partition for record in decision.taken}:
            self._close(lanes[number], written.get(number, []), sizes[number], decision)
        return decision

    def ahead(self, lanes: Mapping[int, Lane], fetched: Iterable[ConsumerRecord]) -> list[ConsumerRecord]:
        """Return the records of owned lanes that were not decided before, in the order of their topics."""
        topics = self._topics
        ahead = [
            record
            for record in fetched
            if (lane := lanes.get(record.partition)) is not None
            and record.offset >= lane.positions[topics[record.topic]]
        ]
        ahead.sort(key=lambda record: topics[record.topic])
        return ahead

    async def _read(self, taken: Sequence[ConsumerRecord], repeated: AbstractSet[str]) -> list[Reading]:
        seen = set(repeated)
        readings = []
        read = self._intake.read
        for count, record in enumerate(taken, 1):
            reading = read(record)
            if reading.command:
                if reading.id in seen:
                    continue
                seen.add(reading.id)
            readings.append(reading)
            if count % _BREATH == 0:
                await asyncio.sleep(0)
        return readings

    async def _decide(
        self, lanes: Mapping[int, Lane], readings: Sequence[Reading], decision: Decision, enough: float
    ) -> tuple[dict[int, list[Record]], Counter[int]]:
        written: dict[int, list[Record]] = {}
        sizes = Counter[int]()
        total = 0
        for count, reading in enumerate(readings, 1):
            if total > enough:
                _cut(decision, reading.record)
                break
            number = reading.record.partition
            records_ = self._one(lanes[number], reading, decision)
            size = sum([record.size() for record in records_])
            sizes[number] += size
            total += size
            written.setdefault(number, []).extend(records_)
            if count % _BREATH == 0:
                await asyncio.sleep(0)
        return written, sizes

    def _one(self, lane: Lane, reading: Reading, decision: Decision) -> list[Record]:
        incoming = reading.incoming
        if reading.dead is not None:
            self._metrics.dead_letters.labels(reading.dead).inc()
            return [self._writer.dead_letter(lane, reading)]
        if incoming is None:
            return [self._refuse(lane, reading, Refusal(reading.refused or "invalid_command"), decision)]
        result = self._domain.decide(incoming, decision.changes)
        if isinstance(result, Refusal):
            return [self._refuse(lane, reading, result, decision)]
        if reading.command:
            name = type(incoming.data).__name__
            decision.counts[name, "accepted"] += 1
            decision.outcomes.append(
                (
                    reading.id,
                    records.command_type(reading),
                    incoming.at,
                    incoming.key,
                    _field(incoming.data, "invitation_id") or _field(result[-1].data, "invitation_id"),
                    _field(incoming.data, "actor_id"),
                    ",".join([type(event.data).__name__ for event in result if event.data is not None]),
                    None,
                    None,
                )
            )
        event = self._writer.event
        return [event(lane, reading, incoming.at, entry) for entry in result]

    def _refuse(self, lane: Lane, reading: Reading, refusal: Refusal, decision: Decision) -> Record:
        names = named(reading.envelope)
        known = reading.incoming is not None
        decision.counts[
            type(reading.incoming.data).__name__ if known and reading.incoming else "-", refusal.reason
        ] += 1
        command_type = records.command_type(reading)
        self._domain.refused(command_type, reading.id, decision.changes)
        decision.outcomes.append(
            (
                reading.id,
                command_type,
                timestamps.from_ms(reading.record.timestamp),
                *names,
                None,
                refusal.reason,
                reading.detail,
            )
        )
        return self._writer.rejection(lane, reading, refusal, names)

    def _advance(self, lanes: Mapping[int, Lane], taken: Iterable[ConsumerRecord]) -> None:
        for record in taken:
            positions = lanes[record.partition].positions
            index = self._topics[record.topic]
            positions[index] = max(positions[index], record.offset + 1)

    def _close(self, lane: Lane, written: list[Record], size: int, decision: Decision) -> None:
        if written:
            lane.segment += 1
            decision.segments.append(Segment(lane.number, lane.segment, written, size))
        decision.advances.append(advance(lane))


def _field(data: Message | None, name: str) -> str | None:
    # `vars`, because `getattr` with a default is slow for an attribute that a pydantic model lacks.
    return None if data is None else vars(data).get(name)


def _cut(decision: Decision, first: ConsumerRecord) -> None:
    """Leave this record and all records after it to the next batch."""
    decision.taken = list(itertools.takewhile(lambda record: record is not first, decision.taken))
    decision.whole = False


def advance(lane: Lane) -> Advance:
    """Return the update from the lane's last snapshot to its present state, which becomes the last."""
    before, lane.standing = lane.standing, tuple(lane.positions)
    return Advance(
        lane.number,
        lane.epoch,
        before,
        lane.standing,
        tuple(lane.decided),
        tuple(lane.acknowledged),
        tuple(lane.tails),
        lane.segment,
    )


def rewind(lanes: Mapping[int, Lane], decision: Decision) -> None:
    """Undo an uncommitted batch: move its lanes back to their state before it."""
    for step in decision.advances:
        lane = lanes[step.lane]
        lane.positions = list(step.before)
        lane.standing = step.before
    for segment in decision.segments:
        lane = lanes[segment.lane]
        lane.segment = segment.number - 1
        for record in reversed(segment.records):
            lane.decided[record.output] = record.sequence - 1
