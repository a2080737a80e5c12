"""A fact that is decided in several batches, with an interruption between any two of them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from cohost_schemas import events, facts, topics
from cohost_schemas.partitions import partition_of
from messaging.errors import NotConfirmed
from messaging.outbox import store, transactions
from messaging.outbox.publisher import OutboxPublisher
from messaging.processor import InputRecord, OutputRecord, PartialDecision, Rejection
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_inputs import LANE, ROOM, send_command, send_record
from tests.messaging.pipeline_in_process import read_topic, running_pipeline
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet, command_record

PARTS = 3
OTHER_ROOM = next(
    room for room in map("other-{}".format, range(40)) if partition_of(room, PARTITIONS) == LANE
)


class SteppingProcessor(CounterProcessor):
    """Counts a room up to the `max_co_hosts` of its fact, with one event in each batch."""

    def decide(
        self, record: InputRecord, changes: dict[str, tuple[int, int]]
    ) -> Sequence[OutputRecord] | Rejection:
        if not isinstance(record.data, facts.RoomChanged):
            return super().decide(record, changes)
        step = self.counts[record.key] + 1
        self._set(record, step, changes)
        event = events.CoHostLeft(
            room_id=record.key,
            user_id="bob",
            invitation_id=str(step),
            reason="room_ended",
            left_at=record.timestamp,
        )
        published = (OutputRecord(topics.INVITATION_EVENTS, record.key, event),)
        return published if step == record.data.max_co_hosts else PartialDecision(published)


class Point(NamedTuple):
    """A method, and whether the session ends before or after its call."""

    owner: Any
    method: str
    before: bool


def end_session_once(monkeypatch: pytest.MonkeyPatch, point: Point, step: int) -> asyncio.Event:
    """End the session at the call whose arguments have the event of this step."""
    owner, method, before = point
    original = getattr(owner, method)
    is_done = asyncio.Event()

    async def interrupted(*arguments: Any) -> Any:
        is_due = not is_done.is_set() and f'"invitationId":"{step}"' in repr(arguments)
        if is_due:
            is_done.set()
        if is_due and before:
            raise NotConfirmed
        result = await original(*arguments)
        if is_due:
            raise NotConfirmed
        return result

    monkeypatch.setattr(owner, method, interrupted)
    return is_done


@pytest.mark.parametrize("step", [1, 2, PARTS])
@pytest.mark.parametrize(
    "point",
    [
        Point(store, "update_outbox", before=False),
        Point(OutboxPublisher, "enqueue_batches", before=True),
        Point(transactions, "publish_transaction", before=False),
    ],
    ids=["before commit", "after commit", "after publishing"],
)
async def test_an_interruption_between_parts_repeats_and_loses_none(
    fleet: WorkerFleet,
    producer: AIOKafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
    point: Point,
    step: int,
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    rooms = topics.ROOMS.full_name(fleet.config.prefix)
    for room in (ROOM, OTHER_ROOM):
        fact = facts.RoomChanged(room_id=room, host_id="alice", status="ended", max_co_hosts=PARTS)
        await send_record(producer, rooms, command_record(f"fact-{room}", fact), key=room.encode())
    command_id = await send_command(fleet)
    is_interrupted = end_session_once(monkeypatch, point, step)
    async with running_pipeline(fleet.config, SteppingProcessor()):
        await fleet.wait_until_decided()
    assert is_interrupted.is_set()
    records = await read_topic(fleet.config, topics.INVITATION_EVENTS)
    published = [json.loads(record.value) for record in records]
    assert [(event["causationid"], event["data"]["invitationId"]) for event in published] == [
        *((f"fact-{room}", str(number)) for room in (ROOM, OTHER_ROOM) for number in range(1, PARTS + 1)),
        (command_id, str(PARTS + 1)),
    ]
    assert [int(event["sequence"]) for event in published] == list(range(1, 2 * PARTS + 2))
    assert len({event["id"] for event in published}) == len(published)
