"""A reader of rejections and dead letters, which no stream has."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from aiokafka import TopicPartition

from cohost.kafka.backoff import Backoff
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.log_reader import LogReader, fetch_offset_bounds
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from services.gateway.ops import topic_access
from services.gateway.ops.activity.log_activity import LogActivity
from services.gateway.ops.topic_access import TopicAccess

_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
_ACCESS_SECONDS = 60.0
# Between them HTTP is answered.
_RECORDS_PER_TURN = 50
_TOPICS = (topics.INVITATION_REJECTIONS, topics.BROADCAST_REJECTIONS, *topics.DEAD_LETTERS)

log = structlog.get_logger()


class RejectionFollower:
    """Gives each rejection and dead letter to the activity once, from the end of the log on.

    A topic that it may not read is asked for again every minute.
    """

    def __init__(self, connection: KafkaConnection, activity: LogActivity) -> None:
        self._connection = connection
        self._activity = activity

    async def run(self) -> None:
        """Read until cancelled, through outages."""
        wanted: Sequence[Topic] = _TOPICS
        async with asyncio.TaskGroup() as readers:
            while wanted:
                access, reader = await self._wait_for_reader(wanted)
                if wanted is _TOPICS:
                    self._activity.begin_rejections()
                wanted = access.unreadable
                self._activity.unreadable = tuple(topic.suffix for topic in wanted)
                if access.partition_counts:
                    readers.create_task(self._read_on(reader))
                await asyncio.sleep(_ACCESS_SECONDS)

    async def _wait_for_reader(self, wanted: Sequence[Topic]) -> tuple[TopicAccess, LogReader]:
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                access = await topic_access.find_access(self._connection, wanted)
                partitions = [
                    TopicPartition(self._connection.topic_name(topic), number)
                    for topic, count in access.partition_counts.items()
                    for number in range(count)
                ]
                ends = (await fetch_offset_bounds(self._connection, partitions))[1] if partitions else {}
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    log.warning("rejections cannot be read yet", error=repr(error))
                await asyncio.sleep(backoff.next_wait())
            else:
                return access, LogReader(self._connection, ends, skip_gaps=True)

    async def _read_on(self, reader: LogReader) -> None:
        dead_letters = {self._connection.topic_name(topic) for topic in topics.DEAD_LETTERS}
        async with contextlib.aclosing(reader.read_batches()) as batches:
            async for batch in batches:
                is_dead_letters = batch[0].topic in dead_letters
                add = self._activity.add_dead_letter if is_dead_letters else self._activity.add_rejection
                for count, record in enumerate(batch, 1):
                    add(record)
                    if count % _RECORDS_PER_TURN == 0:
                        await asyncio.sleep(0)
