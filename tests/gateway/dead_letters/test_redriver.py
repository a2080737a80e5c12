"""The redriver logs and counts what it does, without values, and says what Kafka does not take."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog.testing
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.producer import CloudEventProducer
from cohost_schemas import topics
from cohost_schemas.ops.dead_letters import RedriveManyRequest, RedriveRequest
from services.gateway.ops.dead_letters import letter_log, redriver
from services.gateway.ops.dead_letters.letter_log import LetterLog
from services.gateway.ops.dead_letters.metrics import RedriveMetrics
from services.gateway.ops.dead_letters.newer_facts import NewerFactSearch
from services.gateway.ops.dead_letters.redriver import Redriver
from services.gateway.topology import SOURCE
from services.runtime.http.problems import HttpProblem
from tests import kafka_topics
from tests.gateway.dead_letters.letter_harness import fact_bytes

PARTITIONS = 2
SECONDS = 60
LETTER_HEADERS = {
    "dead-letter-reason": "wrong_partition",
    "dead-letter-topic": "rooms",
    "dead-letter-partition": "0",
    "dead-letter-offset": "5",
    "dead-letter-time": "2026-01-01T12:00:00.000Z",
}


class RedriverUnderTest:
    """A redriver on topics of its own, whose dead letters the test writes."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self.registry = CollectorRegistry()
        self.letter_log = LetterLog(connection)
        self.writer = CloudEventProducer(connection, SOURCE, attempt_seconds=SECONDS)
        metrics = RedriveMetrics(self.registry)
        self.redriver = Redriver(self.letter_log, NewerFactSearch(connection), self.writer, metrics)

    async def write_letter(self, value: bytes) -> str:
        """Write the dead letter of a room's fact, and return its id."""
        headers = LETTER_HEADERS | {"dead-letter-topic": f"{self.connection.prefix}rooms"}
        options: Any = {"bootstrap_servers": self.connection.bootstrap_servers, "max_request_size": 2**21}
        async with AIOKafkaProducer(**options) as producer:
            sent = await producer.send_and_wait(
                f"{self.connection.prefix}invitations.dead-letters",
                value,
                key=b"room-1",
                partition=0,
                headers=[(name, text.encode()) for name, text in headers.items()],
            )
        return f"invitations:0:{sent.offset}"

    def count(self, result: str) -> float | None:
        return self.registry.get_sample_value("cohost_gateway_redrives_total", {"result": result})


@pytest.fixture
async def under_test(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedriverUnderTest]:
    # No test is about how long Kafka may take.
    monkeypatch.setattr(letter_log, "_READ_SECONDS", SECONDS)
    monkeypatch.setattr(redriver, "_WRITE_SECONDS", SECONDS)
    connection = KafkaConnection(kafka, prefix)
    used = (topics.ROOMS, topics.INVITATION_DEAD_LETTERS, topics.BROADCAST_DEAD_LETTERS)
    async with connection.open_admin() as admin:
        await kafka_topics.create_topics(
            admin,
            [
                NewTopic(topic.full_name(prefix), PARTITIONS, 1, topic_configs=dict(topic.config))
                for topic in used
            ],
        )
    created = RedriverUnderTest(connection)
    yield created
    await created.writer.stop(drain_seconds=0)
    await created.letter_log.close()


async def test_redrives_are_logged_without_values_and_counted(under_test: RedriverUnderTest) -> None:
    good, broken = (
        await under_test.write_letter(fact_bytes("room-1")),
        await under_test.write_letter(b"secret"),
    )
    with structlog.testing.capture_logs() as logged:
        await under_test.redriver.redrive_many(RedriveManyRequest(ids=(good, broken), dry_run=True), "olga")
        await under_test.redriver.redrive_many(RedriveManyRequest(ids=(good, broken, "x")), "olga")
    room_topic = f"{under_test.connection.prefix}rooms"
    assert logged == [
        {
            "event": event,
            "log_level": "info",
            "by": "olga",
            "dead_letter": letter_id,
            "verdict": verdict,
            "topic": room_topic,
            "partition": 1,
        }
        for event, letter_id, verdict in (
            ("dead letter redriven", good, "ok"),
            ("dead letter not redriven", broken, "not_a_cloud_event"),
        )
    ]
    assert (under_test.count("written"), under_test.count("not_a_cloud_event")) == (1, 1)


async def test_a_record_that_kafka_does_not_take_is_too_large(under_test: RedriverUnderTest) -> None:
    padded = json.dumps(json.loads(fact_bytes("room-1"))).encode() + b" " * 1_100_000
    letter_id = await under_test.write_letter(padded)
    with pytest.raises(HttpProblem) as refused:
        await under_test.redriver.redrive(letter_id, RedriveRequest(), "olga")
    assert (refused.value.status, refused.value.reason) == (413, "too_large")
    assert (under_test.count("too_large"), under_test.count("written")) == (1, None)


async def test_one_that_is_too_large_does_not_keep_back_the_others(under_test: RedriverUnderTest) -> None:
    small = fact_bytes("room-1")
    ids = tuple([await under_test.write_letter(value) for value in (small, small + b" " * 1_100_000, small)])
    results = (await under_test.redriver.redrive_many(RedriveManyRequest(ids=ids), "olga")).items
    assert [(result.id, result.written, result.explanation) for result in results] == [
        (ids[0], True, None),
        (ids[1], False, "The record is larger than Kafka takes."),
        (ids[2], True, None),
    ]
