"""The partitions that streams read, numbered in one list: topic by topic."""

from aiokafka import TopicPartition

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import topics
from cohost_schemas.partitions import partition_of
from services.gateway.streams.positions import StreamKey

STREAM_TOPICS = (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS, topics.BADGES)
_BADGES = STREAM_TOPICS.index(topics.BADGES)


class PartitionLayout:
    """The numbers of the partitions of `STREAM_TOPICS`, of which each topic has `count`."""

    def __init__(self, connection: KafkaConnection, count: int) -> None:
        self._count = count
        self.partitions = [
            TopicPartition(connection.topic_name(topic), number)
            for topic in STREAM_TOPICS
            for number in range(count)
        ]
        self._numbers = {partition: number for number, partition in enumerate(self.partitions)}

    def number_of(self, partition: TopicPartition) -> int:
        """Return a partition's number."""
        return self._numbers[partition]

    def has_host_order(self, number: int) -> bool:
        """Return whether a partition's topic has the changes of hosts, in order with its other events."""
        return number < self._count

    def numbers_of(self, key: StreamKey) -> range:
        """Return the numbers of the partitions that a stream reads."""
        if key.kind == "user":
            return range(len(self.partitions))
        return range(partition_of(key.id, self._count), len(self.partitions), self._count)

    def badges_of(self, key: StreamKey) -> list[int]:
        """Return the numbers of the partitions with the badges that a stream reads."""
        return [number for number in self.numbers_of(key) if number >= _BADGES * self._count]


async def fetch_layout(connection: KafkaConnection) -> PartitionLayout:
    """Return the layout as the topics are. Raises aiokafka's errors, also while there are no topics yet."""
    counts = await connection.partition_counts(STREAM_TOPICS)
    return PartitionLayout(connection, min(counts.values()))
