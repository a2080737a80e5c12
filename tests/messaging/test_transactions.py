"""Kafka transactions whose end is not answered."""

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.producer.sender import EndTxnRequest

from cohost_schemas import topics
from messaging.outbox import transactions
from messaging.outbox.store import EncodedRecord
from tests.messaging.lane_inputs import LANE
from tests.messaging.pipeline_in_process import running_pipeline
from tests.messaging.worker_fleet import WorkerFleet


class LostAnswers:
    """Passes a producer's requests on, and loses the answer to each EndTxn; `sent` counts these."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._send = producer.client.send
        self.sent = 0

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        answer = await self._send(node_id, request, **options)
        if isinstance(request, EndTxnRequest):
            self.sent += 1
            raise RequestTimedOutError
        return answer


@pytest.fixture
def records(fleet: WorkerFleet) -> dict[TopicPartition, list[EncodedRecord]]:
    partition = TopicPartition(topics.INVITATION_EVENTS.full_name(fleet.config.prefix), LANE)
    return {partition: [EncodedRecord(topics.INVITATION_EVENTS.suffix, 1, None, b"{}", [])]}


async def test_an_unanswered_end_of_a_transaction_is_not_sent_again(
    fleet: WorkerFleet, records: dict[TopicPartition, list[EncodedRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    producer = transactions.create_producer(fleet.config, "an owner")
    await transactions.start_producer(producer)
    lost_answers = LostAnswers(producer)
    monkeypatch.setattr(producer.client, "send", lost_answers.send)
    try:
        with pytest.raises(KafkaError):
            await transactions.publish_transaction(producer, records)
    finally:
        await transactions.discard_producer(producer)
    assert lost_answers.sent == 1


async def test_a_transaction_without_records_is_confirmed(fleet: WorkerFleet) -> None:
    producer = transactions.create_producer(fleet.config, "an owner whose batches are all in the log")
    await transactions.start_producer(producer)
    try:
        assert await transactions.publish_transaction(producer, {}) == {}
    finally:
        await transactions.discard_producer(producer)
