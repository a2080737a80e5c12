"""Find the topics that this process may read: the broker's ACLs may allow it fewer than ops can see."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.connection import KafkaConnection, describe_topics
from cohost.kafka.fetch_budget import poll_within_budget
from cohost_schemas.topics import Topic

_PROBE_MS = 200
_ASK_AGAIN_SECONDS = 60.0


class TopicAccess(NamedTuple):
    """The partition counts of the topics that may be read, and the topics that may not."""

    partition_counts: dict[Topic, int]
    unreadable: tuple[Topic, ...]


class KnownAccess:
    """The access to topics, asked for once; where one is forbidden, again after a minute."""

    def __init__(self, connection: KafkaConnection, requested: Sequence[Topic]) -> None:
        self._connection = connection
        self._requested = requested
        self._asked: asyncio.Task[TopicAccess] | None = None
        self._asked_at = 0.0

    async def current(self) -> TopicAccess:
        """Return the access. Raises as `find_access`; for a caller that is cancelled it goes on."""
        if self._asked is None or (self._asked.done() and self._is_to_be_asked_again(self._asked)):
            self._asked = asyncio.create_task(find_access(self._connection, self._requested))
            # Every caller may have been cancelled when it fails: its error counts as retrieved.
            self._asked.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._asked_at = time.monotonic()
        return await asyncio.shield(self._asked)

    def forget(self) -> None:
        """Ask again at the next call."""
        self._asked = None

    def close(self) -> None:
        """Stop asking."""
        if self._asked is not None:
            self._asked.cancel()

    def _is_to_be_asked_again(self, asked: asyncio.Task[TopicAccess]) -> bool:
        if asked.cancelled() or asked.exception() is not None:
            return True
        is_old = time.monotonic() - self._asked_at >= _ASK_AGAIN_SECONDS
        return is_old and bool(asked.result().unreadable)


async def find_access(connection: KafkaConnection, requested: Sequence[Topic]) -> TopicAccess:
    """Ask the broker. Raises aiokafka's errors, also while a topic does not exist."""
    async with connection.open_admin() as admin:
        described = await describe_topics(admin, [connection.topic_name(topic) for topic in requested])
    by_name = {connection.topic_name(topic): topic for topic in requested}
    counts = {}
    for topic in described:
        if topic.error is None:
            counts[by_name[topic.name]] = topic.partition_count
        elif not isinstance(topic.error, TopicAuthorizationFailedError):
            raise topic.error
    if counts:
        async with connection.open_consumer() as consumer:
            while (forbidden := await _find_forbidden(connection, consumer, list(counts))) is not None:
                del counts[by_name[forbidden]]
    return TopicAccess(counts, tuple(topic for topic in requested if topic not in counts))


async def _find_forbidden(
    connection: KafkaConnection, consumer: BoundedConsumer, readable: Sequence[Topic]
) -> str | None:
    """Return the name of one topic that may be described but not read, None if there is none."""
    partitions = [TopicPartition(connection.topic_name(topic), 0) for topic in readable]
    if not partitions:
        return None
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)
    try:
        await poll_within_budget(consumer, timeout_ms=_PROBE_MS)
    except TopicAuthorizationFailedError as error:
        return str(error.args[0])
    return None
