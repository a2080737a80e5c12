"""The topics of the streams, written as the services write them: in transactions, with sequence and time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, ids, timestamps, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from services.gateway.streams.layout import STREAM_TOPICS
from tests import kafka_topics

PARTITIONS = 3
FIRST_MS = 1_767_268_800_000


class WrittenEvent(NamedTuple):
    """An event to write. `second` is its time; a `BadgeRemoved` is a tombstone."""

    topic: Topic
    name: str
    room: str
    data: dict[str, Any]
    second: int = 0


class RawRecord(NamedTuple):
    """A record as aiokafka's consumer returns it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def time_of(second: int) -> str:
    return timestamps.from_ms(FIRST_MS + 1000 * second)


def stage_changed(room: str, host: str, second: int = 0) -> WrittenEvent:
    data = {"roomId": room, "hostId": host, "status": "live", "open": True, "maxCoHosts": 5}
    return WrittenEvent(topics.INVITATION_EVENTS, "StageChanged", room, data, second)


def invitation_sent(room: str, user: str, by: str = "host", number: int = 0) -> WrittenEvent:
    data = {
        "invitationId": f"i-{number}",
        "roomId": room,
        "userId": user,
        "invitedBy": by,
        "status": "pending",
    }
    return WrittenEvent(topics.INVITATION_EVENTS, "InvitationSent", room, data)


def co_host_left(room: str, user: str, number: int = 0) -> WrittenEvent:
    data = {
        "roomId": room,
        "userId": user,
        "invitationId": f"i-{number}",
        "reason": "left",
        "leftAt": time_of(0),
    }
    return WrittenEvent(topics.INVITATION_EVENTS, "CoHostLeft", room, data)


def broadcast_event(name: str, room: str, user: str | None, second: int = 0, **more: Any) -> WrittenEvent:
    data = {"roomId": room, **({} if user is None else {"userId": user}), **more}
    return WrittenEvent(topics.BROADCAST_EVENTS, name, room, data, second)


def badge(room: str, user: str, name: str | None = "coHost") -> WrittenEvent:
    """Return a badge, or its removal without a name."""
    if name is None:
        return WrittenEvent(topics.BADGES, "BadgeRemoved", room, {"roomId": room, "userId": user})
    data = {"roomId": room, "userId": user, "badge": name, "since": time_of(0)}
    return WrittenEvent(topics.BADGES, "BadgeChanged", room, data)


@dataclass
class SequenceCounter:
    """Numbers the events of each topic and partition from 1, as the services do."""

    sequences: Counter[tuple[Topic, int]] = field(default_factory=Counter)

    def encode(self, event: WrittenEvent) -> bytes | None:
        """Return the value of an event's record, None for a tombstone."""
        lane = (event.topic, partition_of(event.room, PARTITIONS))
        self.sequences[lane] += 1
        if event.name == "BadgeRemoved":
            return None
        return envelope.encode_event(
            envelope.build_cloud_event(
                event.name,
                event.data,
                event_id=ids.uuid7(),
                source="/cohost/tests",
                subject=event.room,
                time=time_of(event.second),
                sequence=f"{self.sequences[lane]:020d}",
            )
        )


def key_of(event: WrittenEvent) -> bytes:
    is_badge = event.topic is topics.BADGES
    return f"{event.room}/{event.data['userId']}".encode() if is_badge else event.room.encode()


@dataclass
class StreamLog:
    """The three topics on a real broker."""

    connection: KafkaConnection
    producer: AIOKafkaProducer
    consumer: BoundedConsumer
    counter: SequenceCounter = field(default_factory=SequenceCounter)

    async def write(self, *events: WrittenEvent) -> None:
        """Write events in one transaction, in this order per partition.

        A commit is answered before it can be read: wait until readers of committed records see it.
        """
        async with self.producer.transaction():
            written = await self._send(events)
        await kafka_topics.wait_until_readable(self.consumer, written)

    async def abort(self, *events: WrittenEvent) -> None:
        """Write events in a transaction that is aborted."""
        await self.producer.begin_transaction()
        await self._send(events)
        await self.producer.abort_transaction()

    async def write_in_parts(self, events: list[WrittenEvent], size: int = 100) -> None:
        for start in range(0, len(events), size):
            await self.write(*events[start : start + size])

    async def _send(self, events: Sequence[WrittenEvent]) -> dict[TopicPartition, int]:
        """Return the last offset in each partition."""
        sent = [
            await self.producer.send(
                self.connection.topic_name(event.topic),
                self.counter.encode(event),
                key=key_of(event),
                partition=partition_of(event.room, PARTITIONS),
            )
            for event in events
        ]
        return {found.topic_partition: found.offset for found in await asyncio.gather(*sent)}

    async def delete_all(self, topic: Topic, room: str) -> None:
        """Delete every record from a room's partition of a topic."""
        partition = TopicPartition(self.connection.topic_name(topic), partition_of(room, PARTITIONS))
        async with self.connection.open_admin() as admin:
            await admin.delete_records({partition: RecordsToDelete(-1)})


@asynccontextmanager
async def open_stream_log(kafka: str, prefix: str) -> AsyncIterator[StreamLog]:
    """Create the topics and write to them."""
    connection = KafkaConnection(kafka, prefix)
    await create_topics(connection)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=ids.uuid7(), retry_backoff_ms=10)
    await producer.start()
    try:
        async with connection.open_consumer() as consumer:
            yield StreamLog(connection, producer, consumer)
    finally:
        await close_within(producer.stop())


async def create_topics(connection: KafkaConnection, requested: Sequence[Topic] = STREAM_TOPICS) -> None:
    admin = AIOKafkaAdminClient(**connection.client_options())
    await admin.start()
    try:
        # Those that exist already stay as they are.
        await kafka_topics.create_topics(
            admin,
            [
                NewTopic(connection.topic_name(topic), PARTITIONS, 1, topic_configs=dict(topic.config))
                for topic in requested
            ],
        )
    finally:
        await admin.close()
