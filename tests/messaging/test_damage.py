"""A cluster, database or topic that does not match stops the pipeline with an error."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from prometheus_client import CollectorRegistry

from cohost_schemas import topics
from messaging import cluster
from messaging.database import Connection
from messaging.errors import IncompatibleDeployment, LogMismatch
from messaging.metrics import PipelineMetrics
from messaging.outbox import log_end
from messaging.pipeline import Pipeline
from messaging.processor import DuplicateCommands, InputRecord
from tests import kafka_topics
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_brokers import create_broker
from tests.messaging.lane_inputs import COMMANDS, LANE, leave_command, send_command, send_record
from tests.messaging.pipeline_in_process import (
    create_topic,
    fetch_rows,
    read_topic,
    running_pipeline,
    wait_until,
)
from tests.messaging.worker_fleet import PARTITIONS, TIMEOUT_SECONDS, WorkerFleet


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE installation SET cluster_id = 'another'", "cluster 'another'"),
        ("UPDATE installation SET prefix = 'another.'", "prefix 'another.'"),
        ("UPDATE installation SET partitions = 7", "partition count 7"),
    ],
)
async def test_a_foreign_database_is_refused(fleet: WorkerFleet, change: str, says: str) -> None:
    async with running_pipeline(fleet.config):
        """Ties the database to this cluster."""
    await fetch_rows(fleet.config, change)
    with pytest.raises(IncompatibleDeployment, match=says):
        async with running_pipeline(fleet.config):
            """Never comes here."""


async def test_a_missing_topic_names_the_setting_that_would_create_it(fleet: WorkerFleet) -> None:
    config = dataclasses.replace(fleet.config, create_topics=False)
    with pytest.raises(IncompatibleDeployment, match="does not exist") as refused:
        await cluster.ensure_topics(config)
    assert refused.value.setting == "create_topics"


async def test_a_wrong_partition_count_names_its_setting_while_topics_are_missing(
    fleet: WorkerFleet,
) -> None:
    await create_topic(fleet.config, topics.ROOMS, "cleanup.policy", "compact")
    config = dataclasses.replace(fleet.config, partitions=PARTITIONS + 1)
    with pytest.raises(IncompatibleDeployment, match=rf"new topics {PARTITIONS + 1}") as refused:
        await cluster.ensure_topics(config)
    assert refused.value.setting == "partitions"


async def test_a_commands_topic_with_the_producers_clock_is_refused(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    await _alter_topic(fleet, COMMANDS.full_name(fleet.config.prefix), "message.timestamp.type", "CreateTime")
    with pytest.raises(
        IncompatibleDeployment, match=r"invitations\.commands has message.timestamp.type=CreateTime"
    ):
        async with running_pipeline(fleet.config):
            """Never comes here."""


async def _alter_topic(fleet: WorkerFleet, topic: str, name: str, value: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.config.bootstrap_servers)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})])
        await wait_until(lambda: _has_setting(admin, topic, name, value))
    finally:
        await admin.close()


async def _has_setting(admin: AIOKafkaAdminClient, topic: str, name: str, value: str) -> bool:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return (name, value) in {entry[:2] for *_, entries in response.resources for entry in entries}


async def test_commands_deleted_unread_stop_the_lane_with_instructions(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_batch([leave_command()])
        fleet.sent_ids.append("the one")
        await fleet.wait_until_decided()
    await fleet.publish_batch([leave_command(), leave_command()])
    await _delete_commands(fleet, 2)
    with pytest.raises(LogMismatch, match="begins at 2, but was read to 1 only: records are lost; to go on"):
        async with running_pipeline(fleet.config) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)


async def _delete_commands(fleet: WorkerFleet, before: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.config.bootstrap_servers)
    await admin.start()
    place = TopicPartition(COMMANDS.full_name(fleet.config.prefix), LANE)
    await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    await admin.close()


class _PausedProcessor(CounterProcessor):
    """Blocks every batch until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.held = asyncio.Event()
        self.go_on = asyncio.Event()

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        if any(incoming.topic is COMMANDS for incoming in records):
            self.held.set()
            await self.go_on.wait()
        await super().load(connection, records)


async def test_commands_deleted_ahead_of_a_running_worker_stop_the_lane(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    domain = _PausedProcessor()
    metrics = PipelineMetrics(CollectorRegistry(), "counter")
    pipeline = Pipeline(fleet.config, create_broker(fleet.config, domain.topology), domain, metrics)
    running = asyncio.create_task(pipeline.run())
    await wait_until(lambda: pipeline.is_ready)
    await fleet.publish_batch([leave_command()])
    await asyncio.wait_for(domain.held.wait(), TIMEOUT_SECONDS)
    for _ in range(5):  # more than the consumer fetches at a time
        await send_record(producer, COMMANDS.full_name(fleet.config.prefix), b"x" * 900_000)
    await _delete_commands(fleet, 6)
    domain.go_on.set()
    with pytest.raises(LogMismatch, match=r"begins at 6, but was read to [123] only: records are lost"):
        await asyncio.wait_for(running, TIMEOUT_SECONDS)


async def test_a_database_that_lost_commits_stops_the_lane(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_batch([leave_command()])
        fleet.sent_ids.append("the one")
        await fleet.wait_until_decided()
    columns = "positions, decided_sequences, published_sequences, published_end_offsets, last_batch_number"
    (before,) = await fetch_rows(fleet.config, f"SELECT {columns} FROM lanes WHERE lane = $1", LANE)
    async with running_pipeline(fleet.config):
        await fleet.publish_batch([leave_command()])
        fleet.sent_ids.append("another")
        await fleet.wait_until_decided()
    await fetch_rows(
        fleet.config, f"UPDATE lanes SET ({columns}) = ($2, $3, $4, $5, $6) WHERE lane = $1", LANE, *before
    )
    with pytest.raises(LogMismatch, match="the database lost commits"):
        async with running_pipeline(fleet.config) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)


async def test_a_log_that_another_owner_has_written_since_the_claim_stops_nothing(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_log_ends = log_end.read_log_ends
    claims = 0

    async def read_after_a_pause(*arguments: Any) -> Any:
        nonlocal claims
        claims += 1
        if claims > 1:
            return await read_log_ends(*arguments)
        await fetch_rows(fleet.config, "UPDATE lanes SET epoch = epoch + 1")
        msg = "the log is ahead of the database"
        raise LogMismatch(msg)

    monkeypatch.setattr(log_end, "read_log_ends", read_after_a_pause)
    async with running_pipeline(fleet.config):
        await fleet.publish_batch([leave_command()])
        fleet.sent_ids.append("the one")
        await fleet.wait_until_decided()
    assert claims > 1


async def test_a_recreated_commands_topic_stops_the_lane_with_instructions(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    name = COMMANDS.full_name(fleet.config.prefix)
    async with running_pipeline(fleet.config):
        await _decide_command(fleet)
        await _decide_command(fleet)
    await _recreate_topic(fleet, COMMANDS)
    await send_record(producer, name, b"old")
    with pytest.raises(LogMismatch, match="ends at 1, but was read to 2: the topic was trunc") as refused:
        async with running_pipeline(fleet.config) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)
    statement = str(refused.value).partition("run ")[2].replace("invitations.lanes", "lanes")
    await fetch_rows(fleet.config, statement)
    async with running_pipeline(fleet.config):
        await _decide_command(fleet)
    assert not await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)


async def test_an_output_that_lost_its_end_and_grew_again_stops_the_lane(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    async with running_pipeline(fleet.config):
        await _decide_command(fleet)
    await _recreate_topic(fleet, topics.INVITATION_EVENTS)
    for _ in range(3):
        await send_record(producer, topics.INVITATION_EVENTS.full_name(fleet.config.prefix), b"another")
    with pytest.raises(LogMismatch, match="sequence 1 was published at offset 0: the topic was truncated"):
        async with running_pipeline(fleet.config) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)


async def _decide_command(fleet: WorkerFleet) -> None:
    await send_command(fleet)
    await fleet.wait_until_decided()


async def _recreate_topic(fleet: WorkerFleet, topic: topics.Topic) -> None:
    name = topic.full_name(fleet.config.prefix)
    async with fleet.config.kafka.open_admin() as admin:
        await admin.delete_topics([name])

        async def is_deleted() -> bool:
            return not await kafka_topics.are_known(admin, [name])

        await wait_until(is_deleted)
    await create_topic(fleet.config, topic, *topic.config[0])


class _StoredCommandProcessor(CounterProcessor):
    """Finds each command's effect stored already, as after a lane's position was moved back too far."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0

    async def save(self, connection: Connection, changes: dict[str, tuple[int, int]]) -> None:
        if changes:
            self.saves += 1
            raise DuplicateCommands(())
        await super().save(connection, changes)


async def test_a_command_stored_without_an_outcome_stops_the_lane(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    await fleet.publish_batch([leave_command()])
    domain = _StoredCommandProcessor()
    with pytest.raises(LogMismatch, match="position was moved back too far"):
        async with running_pipeline(fleet.config, domain) as pipeline:
            await wait_until(lambda: not pipeline.is_ready)
    assert domain.saves == 2
