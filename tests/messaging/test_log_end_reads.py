"""The ends of real output topics, while a confirmed transaction has no markers yet."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from cohost_schemas import topics
from messaging.outbox import log_end
from tests.messaging.lane_inputs import LANE, send_record
from tests.messaging.pipeline_in_process import running_pipeline
from tests.messaging.worker_fleet import WorkerFleet


async def test_the_log_is_read_beyond_the_last_stable_offset(
    fleet: WorkerFleet, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    end_offsets = AIOKafkaConsumer.end_offsets
    asked = asyncio.Event()

    async def note_end_offsets(consumer: AIOKafkaConsumer, partitions: Any) -> Any:
        found = await end_offsets(consumer, partitions)
        asked.set()
        return found

    partition = TopicPartition(topics.INVITATION_EVENTS.full_name(fleet.config.prefix), LANE)
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=fleet.config.prefix) as producer:
        await producer.begin_transaction()
        await send_record(producer, partition.topic, b"{}", headers=[("sequence", b"1")])
        monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", note_end_offsets)
        reading = asyncio.create_task(log_end.read_log_ends(fleet.config, {partition: 0}))
        await asked.wait()
        await producer.commit_transaction()
        found = (await reading)[partition]
    assert list(found.sequence_offsets) == [(1, 0)]
