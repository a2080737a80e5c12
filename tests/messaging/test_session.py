"""A session's batches, and its bookkeeping of offsets that are never delivered."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from aiokafka import TopicPartition

from cohost_schemas import topics
from messaging.inputs import next_batch
from messaging.outbox import transactions
from messaging.session import Session
from tests.messaging.counter_processor import TOPOLOGY
from tests.messaging.lane_inputs import COMMANDS, LANE, send_command
from tests.messaging.pipeline_in_process import running_pipeline, wait_until
from tests.messaging.worker_fleet import TIMEOUT_SECONDS, WorkerFleet

EVENTS = topics.INVITATION_EVENTS
FAR_OFFSET = 1_000


class FetchingConsumer:
    """A consumer whose positions are far ahead, and that fetches records while it is asked for them."""

    def __init__(self, fetched: Collection[TopicPartition]) -> None:
        self.kafka_consumer = self
        self.unhandled_partitions: set[TopicPartition] = set()
        self._fetched = fetched

    async def position(self, _: TopicPartition) -> int:
        self.unhandled_partitions.update(self._fetched)
        return FAR_OFFSET


@pytest.mark.parametrize(("fetches", "position"), [(True, 0), (False, FAR_OFFSET)])
async def test_markers_are_skipped_where_no_records_arrive_meanwhile(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch, *, fetches: bool, position: int
) -> None:
    fetched = [partition_of_lane(fleet)] if fetches else []
    async with running_pipeline(fleet.config) as pipeline:
        session: Any = pipeline._session  # noqa: SLF001 - the pipeline keeps its session to itself
        assert isinstance(session, Session)
        async with session._handle_lock:  # noqa: SLF001 - held by the session's tick, which calls this
            with monkeypatch.context() as patch:
                patch.setattr(session, "_consumer", FetchingConsumer(fetched))
                await session._skip_markers()  # noqa: SLF001 - as above
            lane = session.lanes[LANE]
            assert lane.position(COMMANDS.suffix) == position
            assert lane.position(topics.ROOMS.suffix) == FAR_OFFSET
            for topic in (entry.topic for entry in TOPOLOGY.inputs):
                for each in session.lanes.values():
                    each.reset_position(topic.suffix, 0)


async def test_commands_that_arrive_during_a_publication_are_one_batch(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, is_open = transactions.publish_transaction, asyncio.Event()
    published: list[int] = []

    async def publish_when_open(producer: Any, records: Any) -> Any:
        published.append(len(records[TopicPartition(EVENTS.full_name(fleet.config.prefix), LANE)]))
        await is_open.wait()
        return await publish(producer, records)

    monkeypatch.setattr(transactions, "publish_transaction", publish_when_open)
    monkeypatch.setattr(next_batch, "_LONGEST_WAIT_SECONDS", TIMEOUT_SECONDS)
    async with running_pipeline(fleet.config) as pipeline:
        session: Any = pipeline._session  # noqa: SLF001 - the pipeline keeps its session to itself
        kafka_consumer = session._consumer.kafka_consumer  # noqa: SLF001 - to see what it has fetched

        async def has_fetched(offset: int) -> bool:
            return bool(await kafka_consumer.position(partition_of_lane(fleet)) == offset)

        for count in range(1, 5):
            await send_command(fleet)
            await wait_until(lambda count=count: has_fetched(count))
            await wait_until(lambda: published)
        assert session.lanes[LANE].last_batch_number == 1
        is_open.set()
        await fleet.wait_until_decided()
        assert session.lanes[LANE].last_batch_number == 2
    assert published == [1, 3]


def partition_of_lane(fleet: WorkerFleet) -> TopicPartition:
    return TopicPartition(COMMANDS.full_name(fleet.config.prefix), LANE)
