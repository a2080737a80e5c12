"""A cluster, database or topic that does not match stops the pipeline with an error."""

import asyncio
import dataclasses
from collections.abc import Sequence

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
from messaging.pipeline import Pipeline
from messaging.processor import InputRecord
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_brokers import create_broker
from tests.messaging.lane_inputs import COMMANDS, LANE, leave_command, send_record
from tests.messaging.pipeline_in_process import create_topic, fetch_rows, running_pipeline, wait_until
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
    with pytest.raises(LogMismatch, match="was read to 1: records are lost; to go on"):
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
    with pytest.raises(LogMismatch, match=r"offsets 6 to 6, but was read to [123]: records are lost"):
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
