"""A handover between workers: lanes are released once everything is published."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from messaging import session
from messaging.lanes import lane_store
from messaging.outbox import transactions
from messaging.outbox.publisher import OutboxPublisher
from messaging.outbox.store import EncodedRecord
from tests.messaging.pipeline_in_process import running_pipeline, wait_until
from tests.messaging.worker_fleet import WorkerFleet


async def test_a_handover_with_a_slow_kafka_costs_only_the_session(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_transaction = transactions.publish_transaction
    is_answering = asyncio.Event()
    published = asyncio.Event()

    async def publish_slowly(
        producer: AIOKafkaProducer, records: Mapping[TopicPartition, Sequence[EncodedRecord]]
    ) -> Any:
        ends = await publish_transaction(producer, records)
        published.set()
        await is_answering.wait()
        return ends

    monkeypatch.setattr(transactions, "publish_transaction", publish_slowly)
    monkeypatch.setattr(session, "_DRAIN_TIMEOUT_SECONDS", 0.1)
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(10)
        await published.wait()
        with structlog.testing.capture_logs() as logs:
            async with running_pipeline(fleet.config):
                await wait_until(lambda: "lane release timed out" in [line["event"] for line in logs])
                is_answering.set()
                await fleet.publish_commands(10)
                await fleet.wait_until_decided()
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 20)


async def test_lanes_are_released_after_their_batches_are_published(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    publishing, draining = asyncio.Event(), asyncio.Event()
    publish_transaction, release_lanes = transactions.publish_transaction, lane_store.release_lanes
    wait_drained = OutboxPublisher.wait_drained

    async def publish_while_draining(*arguments: Any) -> Any:
        publishing.set()
        await draining.wait()
        ends = await publish_transaction(*arguments)
        steps.append("published")
        return ends

    async def note_draining(publisher: OutboxPublisher) -> None:
        draining.set()
        await wait_drained(publisher)

    async def note_release(*arguments: Any) -> None:
        steps.append("released")
        await release_lanes(*arguments)

    monkeypatch.setattr(transactions, "publish_transaction", publish_while_draining)
    monkeypatch.setattr(OutboxPublisher, "wait_drained", note_draining)
    monkeypatch.setattr(lane_store, "release_lanes", note_release)
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(10)
        await publishing.wait()
    assert steps[-1] == "released"
    assert "published" in steps
    assert steps.count("released") == 1
