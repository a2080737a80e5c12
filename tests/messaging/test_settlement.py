"""Published transactions count once the last stable offset is past them in every partition."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from cohost.kafka.connection import KafkaConnection
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.lanes.lane import Lane, LaneProgress
from messaging.outbox import settlement
from messaging.outbox.settlement import Settlement
from messaging.outbox.store import OutboxBatch
from messaging.outbox.transactions import PartitionEnd

CONFIG = Config("", "", "", prefix="p.")
EVENTS, REJECTIONS = TopicPartition("p.events", 0), TopicPartition("p.rejections", 0)


class StableOffsets:
    """A consumer whose stable offsets the test sets; it counts the polls of them."""

    def __init__(self) -> None:
        self.offsets: dict[TopicPartition, int] = {}
        self.polls = 0
        self._polled = asyncio.Event()

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self.polls += 1
        self._polled.set()
        return {partition: self.offsets.get(partition, 0) for partition in partitions}

    async def wait_polled(self) -> None:
        """Wait until these offsets were asked for and used."""
        for _ in range(2):
            self._polled.clear()
            await self._polled.wait()


@pytest.fixture
def stable(monkeypatch: pytest.MonkeyPatch) -> StableOffsets:
    stable = StableOffsets()

    @contextlib.asynccontextmanager
    async def open_consumer(_: KafkaConnection, **__: Any) -> AsyncIterator[StableOffsets]:
        yield stable

    monkeypatch.setattr(KafkaConnection, "open_consumer", open_consumer)
    monkeypatch.setattr(settlement, "_POLL_SECONDS", 0.02)
    return stable


@pytest.fixture
def lane() -> Lane:
    lane = Lane(0, 1, LaneProgress({}, {"events": 6, "rejections": 3}, 9))
    lane.restore_outbox([8, 9], 0)
    return lane


@contextlib.asynccontextmanager
async def running(lane: Lane) -> AsyncIterator[Settlement]:
    """Run a settlement during the block."""
    unsettled = Settlement(CONFIG, {0: lane})
    task = asyncio.create_task(unsettled.run())
    try:
        yield unsettled
    finally:
        task.cancel()
        await asyncio.wait([task])


def confirm(unsettled: Settlement, number: int, **ends: tuple[int, int]) -> None:
    """Record a confirmed transaction of one batch, with its last sequence and end in each topic."""
    unsettled.record_begun()
    partition_ends = {
        TopicPartition(f"p.{topic}", 0): PartitionEnd(*sequence_and_offset)
        for topic, sequence_and_offset in ends.items()
    }
    unsettled.record_confirmed([OutboxBatch(0, number, [], 100)], partition_ends)


async def test_a_batch_counts_once_all_its_partitions_are_past_it(stable: StableOffsets, lane: Lane) -> None:
    async with running(lane) as unsettled:
        confirm(unsettled, 8, events=(5, 10), rejections=(3, 4))
        stable.offsets = {EVENTS: 11, REJECTIONS: 3}
        await stable.wait_polled()
        assert (lane.range_to_delete(), lane.published_sequences) == ((7, 7), {})
        stable.offsets[REJECTIONS] = 4
        await unsettled.wait_settled()
    assert (lane.range_to_delete(), lane.published_sequences) == ((7, 8), {"events": 5, "rejections": 3})
    assert (lane.published_end_offset("events"), lane.published_end_offset("rejections")) == (10, 4)


async def test_a_later_transaction_does_not_count_before_an_earlier_one(
    stable: StableOffsets, lane: Lane
) -> None:
    async with running(lane) as unsettled:
        confirm(unsettled, 8, rejections=(3, 4))
        confirm(unsettled, 9, events=(5, 10))
        stable.offsets = {EVENTS: 10}
        await stable.wait_polled()
        assert (lane.range_to_delete(), lane.published_sequences) == ((7, 7), {})
        stable.offsets[REJECTIONS] = 4
        await unsettled.wait_settled()
    assert lane.range_to_delete() == (7, 9)


async def test_a_batch_that_was_in_the_log_already_counts_after_the_one_before_it(
    stable: StableOffsets, lane: Lane
) -> None:
    async with running(lane) as unsettled:
        confirm(unsettled, 8, rejections=(3, 4))
        confirm(unsettled, 9)
        stable.offsets = {REJECTIONS: 4}
        await unsettled.wait_settled()
    assert lane.range_to_delete() == (7, 9)


async def test_nothing_is_asked_while_all_is_settled(stable: StableOffsets, lane: Lane) -> None:
    async with running(lane) as unsettled:
        stable.offsets = {EVENTS: 10}
        confirm(unsettled, 8, events=(5, 10))
        await unsettled.wait_settled()
        await unsettled.wait_settled()
        await asyncio.sleep(0.1)  # several intervals of polls
    assert stable.polls == 1


async def test_a_transaction_that_is_not_settled_in_time_ends_the_session(
    stable: StableOffsets, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "_SETTLE_SECONDS", 0.1)
    stable.offsets = {REJECTIONS: 4}
    unsettled = Settlement(CONFIG, {0: lane})
    confirm(unsettled, 8, events=(5, 10), rejections=(3, 4))
    with pytest.raises(NotConfirmed, match=r"on p\.events:0"):
        await unsettled.run()
    assert lane.range_to_delete() == (7, 7)


async def test_nothing_is_settled_beside_a_transaction_that_kafka_may_have_aborted(
    stable: StableOffsets, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "_LONGEST_TRANSACTION_SECONDS", 0)
    async with running(lane) as unsettled:
        confirm(unsettled, 8, events=(5, 10))
        unsettled.record_begun()
        stable.offsets = {EVENTS: 12}
        await stable.wait_polled()
    assert lane.range_to_delete() == (7, 7)


async def test_what_is_not_settled_is_bounded(
    stable: StableOffsets, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "_MAX_UNSETTLED_BYTES", 150)
    async with running(lane) as unsettled:
        confirm(unsettled, 8, events=(5, 10))
        await unsettled.wait_for_room()
        confirm(unsettled, 9, events=(6, 13))
        waiting = asyncio.create_task(unsettled.wait_for_room())
        await stable.wait_polled()
        assert not waiting.done()
        stable.offsets = {EVENTS: 10}
        await waiting
