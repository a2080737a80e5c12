"""A worker that takes lanes over decides nothing before it has read the facts."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from prometheus_client import CollectorRegistry

from cohost_schemas import facts, ids, topics
from messaging.database import Connection
from messaging.lanes import facts_wait
from messaging.lanes.facts_wait import FactsWait
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.processor import InputRecord
from tests.messaging.counter_processor import TOPOLOGY, CounterProcessor
from tests.messaging.lane_brokers import create_broker
from tests.messaging.lane_inputs import ROOM, leave_command, send_record
from tests.messaging.pipeline_in_process import fetch_rows, running_pipeline, wait_until
from tests.messaging.worker_fleet import PARTITIONS, TIMEOUT_SECONDS, WorkerFleet, command_record


class SlowProcessor(CounterProcessor):
    """Loads no batch before it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        await self.released.wait()
        await super().load(connection, records)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each look at the readers' positions; a reader stands still after a tenth of a second."""
    found: list[None] = []
    read_lagging = FactsWait._read_lagging  # noqa: SLF001 - counted

    async def count(wait: FactsWait) -> dict[object, int]:
        found.append(None)
        return await read_lagging(wait)  # type: ignore[return-value]

    monkeypatch.setattr(FactsWait, "_read_lagging", count)
    monkeypatch.setattr(facts_wait, "_STALL_SECONDS", 0.1)
    monkeypatch.setattr(facts_wait, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(facts_wait, "_REMAINING_POLL_SECONDS", 0.05)
    return found


async def test_own_facts_are_read_before_the_first_command_however_slowly(
    fleet: WorkerFleet, producer: AIOKafkaProducer, looks: list[None]
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    fact = facts.RoomChanged(room_id=ROOM, host_id="alice", status="live", max_co_hosts=90)
    name = topics.ROOMS.full_name(fleet.config.prefix)
    await send_record(producer, name, command_record(ids.uuid7(), fact))
    await fleet.publish_batch([leave_command()])
    fleet.sent_ids.append("the one")
    processor = SlowProcessor()
    pipeline = Pipeline(
        fleet.config,
        create_broker(fleet.config, TOPOLOGY),
        processor,
        PipelineMetrics(CollectorRegistry(), "counter"),
    )
    running = asyncio.create_task(pipeline.run())
    looks.clear()
    # Twenty times as long as a reader may stand still.
    await wait_until(lambda: len(looks) > 40)
    assert (pipeline.is_ready, pipeline.has_read_facts) == (False, False)
    processor.released.set()
    await wait_until(lambda: pipeline.is_ready)
    assert pipeline.has_read_facts
    await fleet.wait_until_decided()
    pipeline.stop()
    await asyncio.wait_for(running, TIMEOUT_SECONDS)
    (row,) = await fetch_rows(fleet.config, "SELECT left_count FROM departures WHERE room = $1", ROOM)
    assert row["left_count"] == 91


@pytest.mark.usefixtures("looks")
async def test_a_worker_beside_one_that_stands_still_goes_on_but_is_not_ready(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    for number in range(PARTITIONS):
        # An invalid fact, which is a dead letter, is read like any other.
        name = topics.USERS.full_name(fleet.config.prefix)
        await send_record(producer, name, b"{}", partition=number)
    still = AIOKafkaConsumer(
        *TOPOLOGY.input_names(fleet.config.prefix),
        bootstrap_servers=fleet.config.bootstrap_servers,
        group_id=TOPOLOGY.group_id(fleet.config.prefix),
        partition_assignment_strategy=[RangePartitionAssignor],
        enable_auto_commit=False,
        heartbeat_interval_ms=200,
    )
    await still.start()
    async with running_pipeline(fleet.config) as pipeline:
        assert 0 < len(pipeline.owned_lanes) < PARTITIONS
        assert not pipeline.has_read_facts
        await still.stop()
        await wait_until(lambda: pipeline.has_read_facts)
        assert len(pipeline.owned_lanes) == PARTITIONS
