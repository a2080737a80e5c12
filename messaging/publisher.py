"""Publish committed outbox batches in order, all waiting ones in one Kafka transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from messaging import transactions
from messaging.lanes import Lane
from messaging.metrics import Metrics
from messaging.segments import Record, Segment

_WAITING_BATCHES = 3
_ENOUGH_BYTES = 4 * 1024 * 1024


class Publisher:
    """The only publisher of a worker. After an error it cannot be used: the transaction is in doubt."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        outputs: Sequence[str],
        lanes: Mapping[int, Lane],
        metrics: Metrics,
    ) -> None:
        self._producer = producer
        self._outputs = outputs
        self._lanes = lanes
        self._metrics = metrics
        self._waiting: asyncio.Queue[Sequence[Segment]] = asyncio.Queue(_WAITING_BATCHES)
        self._unconfirmed = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def put(self, segments: Sequence[Segment]) -> None:
        """Queue committed batches; wait while the queue is full."""
        if segments:
            self._unconfirmed += 1
            self._idle.clear()
            await self._waiting.put(segments)

    async def drained(self) -> None:
        """Wait until the transactions of all enqueued batches are confirmed."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publish until cancelled. After an error the outcome of the current transaction is unknown."""
        while True:
            batches = [await self._waiting.get()]
            while not self._waiting.empty() and sum(map(_size, batches)) < _ENOUGH_BYTES:
                batches.append(self._waiting.get_nowait())
            segments = [segment for batch in batches for segment in batch]
            with self._metrics.stage.labels("publish").time():
                written = await transactions.publish(self._producer, self._grouped(segments))
            self._confirm(segments, written)
            self._unconfirmed -= len(batches)
            if not self._unconfirmed:
                self._idle.set()

    def _grouped(self, segments: Sequence[Segment]) -> dict[TopicPartition, list[Record]]:
        grouped: dict[TopicPartition, list[Record]] = defaultdict(list)
        for segment in segments:
            places = [TopicPartition(topic, segment.lane) for topic in self._outputs]
            for record in segment.records:
                grouped[places[record.output]].append(record)
        return grouped

    def _confirm(
        self, segments: Sequence[Segment], written: Mapping[TopicPartition, transactions.Written]
    ) -> None:
        outputs = {topic: index for index, topic in enumerate(self._outputs)}
        for place, end in written.items():
            lane = self._lanes[place.partition]
            lane.acknowledged[outputs[place.topic]] = end.sequence
            lane.tails[outputs[place.topic]] = end.offset
        for segment in segments:
            self._lanes[segment.lane].published = segment.number


def _size(batch: Sequence[Segment]) -> int:
    return sum([segment.size for segment in batch])
