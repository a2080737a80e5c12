"""A broker that is shut down before a transaction is committed never gets the transaction's end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic
from structlog.testing import capture_logs

from cohost_schemas import topics
from messaging.config import Config
from messaging.inputs import consumer
from messaging.outbox import settlement, transactions
from messaging.outbox.transactions import SingleAttemptEndTxn
from tests.messaging.kafka_cluster import KafkaCluster, create_fleet, run_kafka_cluster
from tests.messaging.pipeline_in_process import running_pipeline, wait_until
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

EVENTS = topics.INVITATION_EVENTS


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[KafkaCluster]:
    async with run_kafka_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def fleet(cluster: KafkaCluster, database_url: str, prefix: str) -> WorkerFleet:
    return await create_fleet(cluster, database_url, prefix)


class HeldEndTxn:
    """Holds the first end of a transaction with events that another broker than its coordinator leads.

    `leader` is the index of that broker.
    """

    def __init__(self, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leader: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.go_on = asyncio.Event()
        do = SingleAttemptEndTxn.do

        async def hold(handler: SingleAttemptEndTxn, node_id: int) -> bool:
            partitions = handler._sender._txn_manager.txn_partitions  # noqa: SLF001 - aiokafka's own
            leaders = {partition for name, partition in partitions if name == topic} - {node_id - 1}
            if leaders and not self.leader.done():
                self.leader.set_result(leaders.pop())
                await self.go_on.wait()
            return await do(handler, node_id)

        monkeypatch.setattr(SingleAttemptEndTxn, "do", hold)


async def create_events_topic(config: Config) -> None:
    """Create the topic of events with one replica: broker n alone has partition n - 1."""
    async with config.kafka.open_admin() as admin:
        assignments = {number: [number + 1] for number in range(PARTITIONS)}
        name = EVENTS.full_name(config.prefix)
        await admin.create_topics(
            [NewTopic(name, -1, -1, replica_assignments=assignments, topic_configs=dict(EVENTS.config))]
        )


async def test_records_whose_transaction_never_ended_on_a_broker_are_published_again(
    fleet: WorkerFleet, cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stopping a broker takes longer than a transaction, or a commit of offsets on it, may take.
    monkeypatch.setattr(consumer, "_COMMIT_TIMEOUT_SECONDS", 60)
    monkeypatch.setattr(transactions, "_TRANSACTION_TIMEOUT_SECONDS", 60)
    monkeypatch.setattr(transactions, "BROKER_TIMEOUT_MS", 120_000)
    monkeypatch.setattr(settlement, "_SETTLE_SECONDS", 3)
    await create_events_topic(fleet.config)
    with capture_logs() as logs:
        async with running_pipeline(fleet.config):
            held = HeldEndTxn(EVENTS.full_name(fleet.config.prefix), monkeypatch)
            await fleet.publish_commands(100)
            leader = await held.leader
            await cluster.processes[leader].stop()
            held.go_on.set()
            await wait_until(lambda: "pipeline interrupted" in [line["event"] for line in logs])
            await cluster.restart(leader)
            await fleet.wait_until_decided()
    assert "hanging transaction aborted" in [line["event"] for line in logs]
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 100)
