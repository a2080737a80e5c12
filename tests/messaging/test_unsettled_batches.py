"""A running pipeline whose published batches are not settled, or reached only some topics."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from structlog.testing import capture_logs

from cohost_schemas import ids, topics
from messaging import session
from messaging.errors import NotConfirmed
from messaging.outbox import settlement, transactions
from messaging.outbox.store import EncodedRecord
from messaging.pipeline import Pipeline
from tests.messaging.lane_inputs import LANE, send_command, send_record
from tests.messaging.pipeline_in_process import fetch_rows, read_topic, running_pipeline, wait_until
from tests.messaging.worker_fleet import WorkerFleet

EVENTS = topics.INVITATION_EVENTS


@pytest.fixture
async def blocked(fleet: WorkerFleet, kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer with an open transaction on the lane's events, which holds their stable offset."""
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    writer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=ids.uuid7())
    async with writer:
        yield writer


async def open_transaction(writer: AIOKafkaProducer, fleet: WorkerFleet) -> None:
    await writer.begin_transaction()
    await send_record(writer, EVENTS.full_name(fleet.config.prefix), b"not ours")


async def wait_published(pipeline: Pipeline) -> None:
    """Wait until the lane's batches are published, and its state was committed after that."""
    lane: Any = pipeline._session.lanes[LANE]  # type: ignore[union-attr]  # noqa: SLF001 - its state in memory
    await wait_until(lambda: lane.last_batch_number and not lane.unpublished_count)
    renewed_at = lane.lease_renewed_at
    await wait_until(lambda: lane.lease_renewed_at > renewed_at)


async def outbox_count(fleet: WorkerFleet) -> int:
    return int((await fetch_rows(fleet.config, "SELECT count(*) FROM outbox"))[0][0])


async def test_an_outbox_batch_is_kept_until_it_is_settled(
    fleet: WorkerFleet, blocked: AIOKafkaProducer
) -> None:
    async with running_pipeline(fleet.config) as pipeline:
        await open_transaction(blocked, fleet)
        await send_command(fleet)
        await wait_published(pipeline)
        assert await outbox_count(fleet) == 1
        await blocked.abort_transaction()
        await fleet.wait_until_decided()
    assert (await fleet.run_audit()).violations == []


async def test_lanes_are_not_released_with_unsettled_batches(
    fleet: WorkerFleet, blocked: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_DRAIN_TIMEOUT_SECONDS", 0.5)
    async with running_pipeline(fleet.config) as pipeline:
        await open_transaction(blocked, fleet)
        await send_command(fleet)
        await wait_published(pipeline)
    assert [row["released"] for row in await fetch_rows(fleet.config, "SELECT released FROM lanes")] == [
        False,
        False,
        False,
    ]
    await blocked.abort_transaction()
    async with running_pipeline(fleet.config):
        await fleet.wait_until_decided()
    assert len(await read_topic(fleet.config, EVENTS)) == 1


async def test_a_session_with_unsettled_batches_ends(
    fleet: WorkerFleet, blocked: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "_SETTLE_SECONDS", 1)
    with capture_logs() as logs:
        async with running_pipeline(fleet.config):
            await open_transaction(blocked, fleet)
            await send_command(fleet)
            await wait_until(lambda: [line for line in logs if line["event"] == "pipeline interrupted"])
            await blocked.abort_transaction()
            await fleet.wait_until_decided()
    assert "the stable offset did not pass" in next(
        line["error"] for line in logs if line["event"] == "pipeline interrupted"
    )
    assert len(await read_topic(fleet.config, EVENTS)) == 1


async def test_a_transaction_that_reached_only_some_topics_is_completed(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_transaction = transactions.publish_transaction
    reached: list[str] = []

    async def publish_part(
        producer: AIOKafkaProducer, records: Mapping[TopicPartition, Sequence[EncodedRecord]]
    ) -> Any:
        events = {partition for partition in records if partition.topic.endswith(EVENTS.suffix)}
        if reached or not events or len(events) == len(records):
            return await publish_transaction(producer, records)
        reached.extend(sorted({partition.topic for partition in records.keys() - events}))
        await publish_transaction(
            producer, {partition: part for partition, part in records.items() if partition not in events}
        )
        msg = "the end of the transaction did not reach the events"
        raise NotConfirmed(msg)

    monkeypatch.setattr(transactions, "publish_transaction", publish_part)
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(30)
        await fleet.wait_until_decided()
    assert reached == [topics.INVITATION_REJECTIONS.full_name(fleet.config.prefix)]
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 30)
