"""Open transactions of other writers on the inputs: what stands still, what goes on, and what shows it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from cohost_schemas import facts, ids, topics
from cohost_schemas.topics import Topic
from messaging.outbox import log_end
from tests.messaging.lane_inputs import COMMANDS, LANE, ROOM, leave_command
from tests.messaging.pipeline_in_process import read_topic, running_pipeline, wait_until
from tests.messaging.worker_fleet import WorkerFleet, command_record


@pytest.fixture
async def writer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that leaves transactions open."""
    writer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=ids.uuid7())
    async with writer:
        yield writer


async def write_and_leave_open(
    writer: AIOKafkaProducer, fleet: WorkerFleet, topic: Topic, value: bytes
) -> None:
    """Begin a transaction, write a record of the room in it, and do not end it."""
    await writer.begin_transaction()
    await writer.send_and_wait(topic.full_name(fleet.config.prefix), value, key=ROOM.encode(), partition=LANE)


def gauge(registry: CollectorRegistry, name: str, fleet: WorkerFleet, topic: Topic) -> float:
    """Return a gauge of the room's lane, -1.0 before it has a value."""
    labels = {"topic": topic.full_name(fleet.config.prefix), "lane": str(LANE)}
    value = registry.get_sample_value(name, labels)
    return -1.0 if value is None else value


async def test_the_age_of_the_oldest_unread_record_shows_an_open_transaction(
    fleet: WorkerFleet, writer: AIOKafkaProducer
) -> None:
    registry = CollectorRegistry()

    def oldest() -> float:
        return gauge(registry, "cohost_oldest_unread_seconds", fleet, COMMANDS)

    async with running_pipeline(fleet.config, registry=registry):
        await wait_until(lambda: oldest() == 0)
        await write_and_leave_open(writer, fleet, COMMANDS, command_record(*leave_command()))
        await fleet.publish_batch([leave_command()])
        await wait_until(lambda: oldest() > 3)
        # Nothing else does: the lag is small, and the worker is ready. The gauges may be of a second ago.
        await wait_until(lambda: gauge(registry, "cohost_lag_records", fleet, COMMANDS) == 2)
        assert await read_topic(fleet.config, topics.INVITATION_EVENTS) == []
        await writer.abort_transaction()
        fleet.sent_ids.append("the one behind it")
        await fleet.wait_until_decided()
        await wait_until(lambda: oldest() == 0)
    assert (await fleet.run_audit()).violations == []


@pytest.mark.parametrize("topic", [topics.ROOMS, topics.USERS], ids=lambda topic: topic.suffix)
async def test_a_takeover_does_not_wait_for_an_open_transaction_of_facts(
    fleet: WorkerFleet, writer: AIOKafkaProducer, topic: Topic
) -> None:
    registry = CollectorRegistry()
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    fact = facts.RoomChanged(room_id=ROOM, host_id="alice", status="live", max_co_hosts=90)
    await write_and_leave_open(writer, fleet, topic, command_record(ids.uuid7(), fact))
    async with running_pipeline(fleet.config, registry=registry):
        await wait_until(lambda: gauge(registry, "cohost_oldest_unread_seconds", fleet, topic) > 1)
        await fleet.publish_batch([leave_command()])
        fleet.sent_ids.append("decided without the fact")
        await fleet.wait_until_decided()
        await writer.abort_transaction()
    # The log of facts ends with an aborted record and a marker, which no reader is given.
    async with running_pipeline(fleet.config):
        """Is ready."""


async def test_a_takeover_behind_an_open_transaction_of_outputs_says_so_and_goes_on_after_it(
    fleet: WorkerFleet, writer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    await write_and_leave_open(writer, fleet, topics.INVITATION_EVENTS, b"not ours")
    monkeypatch.setattr(log_end, "_READ_SECONDS", 2)
    with capture_logs() as logs:
        running = asyncio.create_task(_run_until_ready(fleet))
        await wait_until(lambda: [line for line in logs if line["event"] == "pipeline interrupted"])
        assert not running.done()
        await writer.abort_transaction()
        await running
    (interrupted,) = [line for line in logs if line["event"] == "pipeline interrupted"]
    assert "another writer has an open transaction" in interrupted["error"]


async def _run_until_ready(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        """Is ready."""
