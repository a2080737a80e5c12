"""All topics on a real Kafka, written as the services and their callers write them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, ids, timestamps, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from tests import kafka_topics
from tests.gateway.streams.stream_log import PARTITIONS, create_topics

ROOM = "show"
SECONDS = 60


class PlayedRecord(NamedTuple):
    """A record to write, in the partition of its room."""

    topic: Topic
    room: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


def event(  # noqa: PLR0913 - the parts of an event
    topic: Topic,
    name: str,
    cause: str,
    room: str = ROOM,
    *,
    event_id: str | None = None,
    at: int | None = None,
    **data: Any,
) -> PlayedRecord:
    """Return a CloudEvent that follows from another."""
    built = envelope.build_cloud_event(
        name,
        {"roomId": room, **data},
        event_id=event_id or ids.uuid7(),
        source="/cohost/tests",
        subject=room,
        causationid=cause,
    )
    return PlayedRecord(topic, room, room.encode(), envelope.encode_event(built), (), at)


def invited(name: str, cause: str, **data: Any) -> PlayedRecord:
    return event(topics.INVITATION_EVENTS, name, cause, **data)


def broadcasted(name: str, cause: str, **data: Any) -> PlayedRecord:
    return event(topics.BROADCAST_EVENTS, name, cause, **data)


def rejected(
    reason: str, cause: str, topic: Topic = topics.INVITATION_REJECTIONS, **data: Any
) -> PlayedRecord:
    return event(topic, "CommandRejected", cause, commandId=cause, reason=reason, **data)


def badge(user: str, cause: str = "cause", room: str = ROOM, name: str | None = "coHost") -> PlayedRecord:
    """Return a badge, or its tombstone without a name."""
    record = event(topics.BADGES, "BadgeChanged", cause, room, userId=user, badge=name)
    return record._replace(key=f"{room}/{user}".encode(), value=None if name is None else record.value)


def dead_letter(topic: Topic, reason: str, key: bytes | None, original: str) -> PlayedRecord:
    headers = (("dead-letter-reason", reason.encode()), ("dead-letter-topic", original.encode()))
    return PlayedRecord(topic, ROOM, key, b"garbage", headers)


def seconds_ago(seconds: float) -> int:
    """Return a time before now in milliseconds since the epoch."""
    return timestamps.to_ms(timestamps.current_timestamp()) - int(1000 * seconds)


def event_of(record: PlayedRecord) -> Any:
    return None if record.value is None else json.loads(record.value)


@dataclass
class OpsLog:
    """The topics, and a producer with transactions."""

    connection: KafkaConnection
    producer: AIOKafkaProducer
    consumer: BoundedConsumer

    async def write(self, *records: PlayedRecord) -> None:
        """Write records in one transaction, and wait until readers of committed records see them."""
        async with self.producer.transaction():
            written = await self._send(records)
        await kafka_topics.wait_until_readable(self.consumer, written)

    async def abort(self, *records: PlayedRecord) -> None:
        """Write records in a transaction that is aborted."""
        await self.producer.begin_transaction()
        await self._send(records)
        await self.producer.abort_transaction()

    async def _send(self, records: Sequence[PlayedRecord]) -> dict[TopicPartition, int]:
        """Return the last offset in each partition."""
        sent = [
            await self.producer.send(
                self.connection.topic_name(record.topic),
                record.value,
                record.key,
                partition_of(record.room, PARTITIONS),
                record.timestamp_ms,
                list(record.headers),
            )
            for record in records
        ]
        return {found.topic_partition: found.offset for found in await asyncio.gather(*sent)}


@asynccontextmanager
async def open_ops_log(connection: KafkaConnection) -> AsyncIterator[OpsLog]:
    """Create the topics that are missing, and write to them."""
    await create_topics(connection, topics.ALL)
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers, transactional_id=ids.uuid7(), retry_backoff_ms=10
    )
    await producer.start()
    try:
        async with connection.open_consumer() as consumer:
            yield OpsLog(connection, producer, consumer)
    finally:
        await close_within(producer.stop())
