"""A service whose topics change goes on by their names, and refuses when one is gone."""

import dataclasses
import signal

import pytest
from aiokafka import AIOKafkaProducer

from cohost_schemas import ids, signals, topics
from messaging.errors import IncompatibleDeployment
from messaging.processor import InputTopic
from tests.messaging.counter_processor import TOPOLOGY, CounterProcessor
from tests.messaging.lane_inputs import LANE, ROOM, send_record
from tests.messaging.pipeline_in_process import fetch_rows, read_topic, running_pipeline, wait_until
from tests.messaging.worker_fleet import WorkerFleet, command_record

ADDED = InputTopic(topics.BROADCAST_SIGNALS, "signals", signals.ALL)


class _ReorderedProcessor(CounterProcessor):
    """The same service with its topics in another order, and with one input more."""

    topology = dataclasses.replace(
        TOPOLOGY, inputs=(ADDED, *reversed(TOPOLOGY.inputs)), outputs=TOPOLOGY.outputs[::-1]
    )


class _ReducedProcessor(CounterProcessor):
    """The same service without an input."""

    topology = dataclasses.replace(
        TOPOLOGY, inputs=tuple(entry for entry in TOPOLOGY.inputs if entry.topic is not topics.ROOMS)
    )


async def test_reordered_and_added_topics_lose_and_repeat_nothing(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
    killed = fleet.start_worker(at={"after commit": [1, "kill"]})
    await killed.wait_until_reached("ready")
    await fleet.publish_commands(50)
    assert await killed.wait_for_exit() == -signal.SIGKILL
    data = signals.IntruderSeen(room_id=ROOM, user_id="bob", version=1)
    added_topic = ADDED.topic.full_name(fleet.config.prefix)
    await send_record(producer, added_topic, command_record(ids.uuid7(), data))
    async with running_pipeline(fleet.config, _ReorderedProcessor()):
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
        await wait_until(lambda: _has_read_added_topic(fleet))
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 150)
    (stored,) = await fetch_rows(fleet.config, "SELECT sum(left_count) AS total FROM departures")
    assert stored["total"] == len(await read_topic(fleet.config, topics.INVITATION_EVENTS)) == 120


async def _has_read_added_topic(fleet: WorkerFleet) -> bool:
    statement = "SELECT positions ->> $1 AS position FROM lanes WHERE lane = $2"
    (row,) = await fetch_rows(fleet.config, statement, ADDED.topic.suffix, LANE)
    return bool(row["position"] == "1")


async def test_an_input_that_is_gone_is_refused(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        """Reads every input to its end."""
    advice = "UPDATE invitations.lanes SET positions = positions - 'rooms'"
    with pytest.raises(IncompatibleDeployment, match=f"has read topic rooms, .* run {advice}$"):
        async with running_pipeline(fleet.config, _ReducedProcessor()):
            """Never comes here."""
    await fetch_rows(fleet.config, advice.replace("invitations.", ""))
    async with running_pipeline(fleet.config, _ReducedProcessor()):
        """Starts: the input was given up."""


async def test_an_output_that_is_gone_is_refused(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
    topology = TOPOLOGY
    processor = CounterProcessor()
    processor.topology = dataclasses.replace(
        topology, outputs=(topics.BADGES, *topology.outputs[1:]), rejections=topics.INVITATION_REJECTIONS
    )
    with pytest.raises(IncompatibleDeployment, match=r"has written topic invitations\.events, which"):
        async with running_pipeline(fleet.config, processor):
            """Never comes here."""


async def test_outbox_records_of_an_unknown_format_are_refused(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        """Makes the tables."""
    await fetch_rows(fleet.config, "INSERT INTO outbox VALUES ($1, 1, '\\x0790')", LANE)
    with pytest.raises(IncompatibleDeployment, match=f"lane {LANE}: outbox batch 1 has format 7, but"):
        async with running_pipeline(fleet.config) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)
