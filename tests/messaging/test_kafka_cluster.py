"""A cluster that loses the leader of a lane under load."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cohost_schemas import topics
from tests.messaging.kafka_cluster import BROKERS, KafkaCluster, create_fleet, run_kafka_cluster
from tests.messaging.lane_inputs import LANE
from tests.messaging.worker_fleet import TIMEOUT_SECONDS, WorkerFleet

COMMANDS = 100


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[KafkaCluster]:
    async with run_kafka_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def fleet(cluster: KafkaCluster, database_url: str, prefix: str) -> AsyncIterator[WorkerFleet]:
    fleet = await create_fleet(cluster, database_url, prefix)
    yield fleet
    await fleet.kill_workers()


async def test_a_cluster_that_loses_leaders_under_load_loses_no_outcome(
    fleet: WorkerFleet, cluster: KafkaCluster
) -> None:
    workers = [fleet.start_worker(replication_factor=BROKERS) for _ in range(2)]
    for worker in workers:
        await worker.wait_until_reached("ready")
    names = [topic.full_name(fleet.config.prefix) for topic in topics.ALL]
    events_topic = topics.INVITATION_EVENTS.full_name(fleet.config.prefix)
    for _ in range(2):
        leader = await cluster.leader_of(events_topic, LANE)
        sending = asyncio.create_task(send_continuously(fleet, count=5))
        await cluster.kill(leader)
        await asyncio.wait_for(sending, TIMEOUT_SECONDS)
        await fleet.wait_until_decided()
        await cluster.restart(leader)
        # Where the next leader is the only replica in sync, nothing could be written without it.
        for name in (*names, "__transaction_state", "__consumer_offsets"):
            await asyncio.wait_for(cluster.wait_in_sync(name), TIMEOUT_SECONDS)
    await fleet.publish_commands(COMMANDS)
    await fleet.wait_until_decided()
    await fleet.wait_until_published()
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait_for_exit() == 0
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], len(fleet.sent_ids))


async def send_continuously(fleet: WorkerFleet, count: int) -> None:
    """Publish commands in `count` parts, one after the other is confirmed."""
    for _ in range(count):
        await fleet.publish_commands(COMMANDS)
