"""Publish committed outbox batches in order, all waiting ones in one Kafka transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from messaging.lanes.lane import Lane
from messaging.metrics import PipelineMetrics
from messaging.outbox import transactions
from messaging.outbox.settlement import Settlement
from messaging.outbox.store import EncodedRecord, OutboxBatch, total_bytes
from messaging.tracing.tracer import Tracer
from messaging.tracing.transactions import trace_transaction

_MAX_QUEUED = 3
_MAX_TRANSACTION_BYTES = 4 * 1024 * 1024


class OutboxPublisher:
    """The only publisher of a worker. After an error it cannot be used: the transaction is in doubt.

    `settlement` receives what Kafka has confirmed.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a publication
        self,
        producer: AIOKafkaProducer,
        settlement: Settlement,
        prefix: str,
        lanes: Mapping[int, Lane],
        metrics: PipelineMetrics,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._producer = producer
        self._settlement = settlement
        self._prefix = prefix
        self._lanes = lanes
        self._metrics = metrics
        self._queue: asyncio.Queue[Sequence[OutboxBatch]] = asyncio.Queue(_MAX_QUEUED)
        self._unconfirmed = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def enqueue_batches(self, batches: Sequence[OutboxBatch]) -> None:
        """Queue committed batches; wait while the queue is full, or too much is not settled."""
        if batches:
            await self._settlement.wait_for_room()
            self._unconfirmed += 1
            self._idle.clear()
            await self._queue.put(batches)

    async def wait_confirmed(self) -> None:
        """Wait until Kafka has confirmed the transactions of all enqueued batches; forever after an error."""
        await self._idle.wait()

    async def wait_drained(self) -> None:
        """Wait until the transactions of all enqueued batches are confirmed and settled."""
        await self.wait_confirmed()
        await self._settlement.wait_settled()

    async def run(self) -> None:
        """Publish until cancelled. After an error the outcome of the current transaction is unknown."""
        while True:
            queued = [await self._queue.get()]
            while not self._queue.empty() and sum(map(total_bytes, queued)) < _MAX_TRANSACTION_BYTES:
                queued.append(self._queue.get_nowait())
            batches = [batch for group in queued for batch in group]
            self._settlement.record_begun()
            with (
                self._metrics.stage_seconds.labels("publish").time(),
                trace_transaction(self._tracer, batches),
            ):
                partition_ends = await transactions.publish_transaction(
                    self._producer, self._group_by_partition(batches)
                )
            self._settlement.record_confirmed(batches, partition_ends)
            for batch in batches:
                self._lanes[batch.lane].record_published_batch(batch.number)
            self._unconfirmed -= len(queued)
            if not self._unconfirmed:
                self._idle.set()

    def _group_by_partition(
        self, batches: Sequence[OutboxBatch]
    ) -> dict[TopicPartition, list[EncodedRecord]]:
        grouped: dict[TopicPartition, list[EncodedRecord]] = defaultdict(list)
        for batch in batches:
            by_topic: dict[str, list[EncodedRecord]] = defaultdict(list)
            for record in batch.records:
                by_topic[record.topic].append(record)
            for topic, records in by_topic.items():
                grouped[TopicPartition(self._prefix + topic, batch.lane)] += records
        return grouped
