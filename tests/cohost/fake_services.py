"""Fake services: the test reads the commands and writes their outcomes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import RecordMetadata

import cohost
from cohost.kafka.closing import close_within
from cohost_schemas import envelope, ids, topics
from cohost_schemas.envelope import Envelope
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from messaging.config import Config
from tests import kafka_topics

PARTITIONS = 3
WAIT_SECONDS = 60
ResultT = TypeVar("ResultT")
TIMESTAMP = "2026-01-01T12:00:00.000Z"


@dataclass(frozen=True)
class ReceivedCommand:
    """A record read from a commands topic."""

    envelope: Envelope
    key: bytes
    partition: int
    offset: int


@dataclass
class FakeServices:
    """Reads commands and writes outcomes in transactions, as the services do."""

    prefix: str
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    committed: AIOKafkaConsumer
    sequences: dict[tuple[str, int], int] = field(default_factory=dict)

    async def next_command(self) -> ReceivedCommand:
        """Wait for the next command and return it."""
        record = await asyncio.wait_for(self.consumer.getone(), WAIT_SECONDS)
        event = envelope.decode_event(record.value, record.headers)
        return ReceivedCommand(event, record.key, record.partition, record.offset)

    async def publish_outcome(
        self, cause: str, room: str, *events: tuple[Topic, str, dict[str, Any]]
    ) -> None:
        """Write the events of a cause in one transaction, and wait until they can be read."""
        async with self.producer.transaction():
            written = await self.publish_events(cause, room, *events)
        await self._wait_readable(written)

    async def publish_events(
        self, cause: str, room: str, *events: tuple[Topic, str, dict[str, Any]]
    ) -> list[RecordMetadata]:
        return [
            await self.publish_record(topic, room, room.encode(), _cloud_event(cause, name, room, data))
            for topic, name, data in events
        ]

    async def publish_record(
        self, topic: Topic, room: str, key: bytes, value: bytes | None
    ) -> RecordMetadata:
        name = topic.full_name(self.prefix)
        return await self.producer.send_and_wait(name, value, key=key, partition=self.partition_for(room))

    async def _wait_readable(self, written: Sequence[RecordMetadata]) -> None:
        last = {record.topic_partition: record.offset for record in written}
        await kafka_topics.wait_until_readable(self.committed, last)

    def partition_for(self, room: str) -> int:
        return partition_of(room, PARTITIONS)

    async def publish_badge(self, room: str, user: str, badge: str | None) -> None:
        """Write a badge, or a tombstone where `badge` is None, and wait until it can be read."""
        data = {"roomId": room, "userId": user, "badge": badge, "since": TIMESTAMP}
        value = None if badge is None else _cloud_event("cause", "BadgeChanged", room, data)
        async with self.producer.transaction():
            written = await self.publish_record(topics.BADGES, room, f"{room}/{user}".encode(), value)
        await self._wait_readable([written])


def start_command(command: Awaitable[ResultT]) -> "asyncio.Future[ResultT]":
    return asyncio.ensure_future(command)


def client_with_short_timeout(kafka: str, service: FakeServices) -> cohost.Client:
    return cohost.Client(kafka, prefix=service.prefix, timeout=10)


def reads_prefix(consumer: AIOKafkaConsumer, prefix: str) -> bool:
    """Return whether a consumer reads topics with this prefix: other tests' consumers share the process."""
    return any(place.topic.startswith(prefix) for place in consumer.assignment())


def invitation_data(room: str, identifier: str, status: str = "pending") -> dict[str, Any]:
    return {
        "invitationId": identifier,
        "roomId": room,
        "userId": "bob",
        "invitedBy": "alice",
        "status": status,
        "sentAt": TIMESTAMP,
        "expiresAt": TIMESTAMP,
        "updatedAt": TIMESTAMP,
    }


def co_host_left(room: str, user: str = "bob") -> tuple[Topic, str, dict[str, Any]]:
    data = {"roomId": room, "userId": user, "invitationId": "i-1", "reason": "left", "leftAt": TIMESTAMP}
    return topics.INVITATION_EVENTS, "CoHostLeft", data


def command_rejected(command: ReceivedCommand, reason: str, **more: Any) -> tuple[Topic, str, dict[str, Any]]:
    data = {
        "commandId": command.envelope.id,
        "commandType": command.envelope.type,
        "reason": reason,
        "message": "No.",
        **more,
    }
    return topics.INVITATION_REJECTIONS, "CommandRejected", data


@asynccontextmanager
async def run_fake_services(kafka: str, prefix: str) -> AsyncIterator[FakeServices]:
    """Create the topics and run fake services that read every command."""
    config = Config(kafka, "", "", prefix=prefix, partitions=PARTITIONS)
    await kafka_topics.ensure_topics(config)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=ids.uuid7(), retry_backoff_ms=10)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    places = [
        TopicPartition(topic.full_name(prefix), number)
        for topic in (topics.INVITATION_COMMANDS, topics.BROADCAST_COMMANDS)
        for number in range(PARTITIONS)
    ]
    consumer.assign(places)
    try:
        async with config.kafka.open_consumer() as committed:
            yield FakeServices(prefix, producer, consumer, committed)
    finally:
        await close_within(consumer.stop())
        await close_within(producer.stop())


def _cloud_event(cause: str, name: str, room: str, data: dict[str, Any]) -> bytes:
    return envelope.encode_event(
        envelope.build_cloud_event(
            name, data, event_id=ids.uuid7(), source="/cohost/invitations", subject=room, causationid=cause
        )
    )
