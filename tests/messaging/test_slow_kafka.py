"""A Kafka that delays one kind of request: it costs time, and neither an outcome nor the process."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from messaging.config import Config
from tests.messaging.pipeline_in_process import running_pipeline, wait_until
from tests.messaging.slow_kafka import SlowKafka, run_slow_kafka
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

COMMANDS = 30


@pytest.fixture(scope="module")
async def slow_kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlowKafka]:
    async with run_slow_kafka(tmp_path_factory.mktemp("slow-kafka")) as slow:
        yield slow


@pytest.fixture
async def fleet(slow_kafka: SlowKafka, database_url: str, prefix: str) -> WorkerFleet:
    fleet = WorkerFleet(
        Config(
            slow_kafka.direct_address,
            database_url,
            "counter",
            prefix=prefix,
            partitions=PARTITIONS,
            session_timeout_ms=6000,
        )
    )
    await fleet.create_tables()
    return fleet


@pytest.mark.parametrize(
    "request_name",
    [
        "Produce",
        "Fetch",
        "ListOffsets",
        "Metadata",
        "OffsetCommit",
        "Heartbeat",
        "JoinGroup",
        "InitProducerId",
        "AddPartitionsToTxn",
        "EndTxn",
    ],
)
async def test_a_slow_request_costs_time_only(
    fleet: WorkerFleet, slow_kafka: SlowKafka, request_name: str
) -> None:
    slowly = dataclasses.replace(fleet.config, bootstrap_servers=slow_kafka.slow_address)
    async with running_pipeline(slowly):
        await fleet.publish_commands(COMMANDS)
        slow_kafka.delay_requests(request_name)
        await fleet.publish_commands(COMMANDS)
        lifting = asyncio.create_task(lift_delay(slow_kafka))
        # A second worker takes over some of the lanes meanwhile.
        async with running_pipeline(slowly):
            await lifting
            await fleet.publish_commands(COMMANDS)
            await fleet.wait_until_decided()
            await fleet.wait_until_published()
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 3 * COMMANDS)


async def lift_delay(slow_kafka: SlowKafka) -> None:
    """Delay two requests, and then no more."""
    try:
        await wait_until(lambda: slow_kafka.delayed > 1)
    finally:
        slow_kafka.delay_requests(None)
