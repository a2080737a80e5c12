"""Find the topics that this process may read: the broker's ACLs may allow it fewer than ops can see."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from cohost.kafka.connection import KafkaConnection
from cohost_schemas.topics import Topic
from services.gateway.ops.topic_rights import describe_rights

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
    by_name = {connection.topic_name(topic): topic for topic in requested}
    async with connection.open_admin() as admin:
        rights = await describe_rights(admin, by_name)
    counts = {by_name[topic.name]: topic.partition_count for topic in rights if topic.is_readable}
    return TopicAccess(counts, tuple(topic for topic in requested if topic not in counts))
