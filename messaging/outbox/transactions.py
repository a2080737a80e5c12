"""Kafka transactions. If the outcome of one is unknown, its producer must be discarded."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer import sender
from aiokafka.producer.sender import EndTxnHandler

from cohost.kafka.closing import discard_producer
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.outbox.store import EncodedRecord

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""Largest batch, in bytes, that a dead-letter topic accepts by the contract."""

_BATCH_BYTES = 512 * 1024
# Bytes that Kafka counts for a batch besides its records.
_BATCH_OVERHEAD_BYTES = 512
# The order matters: the timeout of a whole transaction < the client's of one request < the broker's.
_TRANSACTION_TIMEOUT_SECONDS = 4
_REQUEST_TIMEOUT_MS = 5_000
BROKER_TIMEOUT_MS = 10_000
_RETRY_BACKOFF_MS = 5
_START_TIMEOUT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class PartitionEnd:
    """The end of a transaction's records in a partition: the last sequence, and the offset after it."""

    sequence: int
    offset: int


class SingleAttemptEndTxn(EndTxnHandler):  # type: ignore[misc]
    """Ends the transaction with at most one unanswered request.

    aiokafka repeats an EndTxn with the same epoch after a lost connection; the delayed first request may then
    end the next transaction (KAFKA-17754). Here an unanswered request is fatal for the producer.
    """

    async def do(self, node_id: int) -> bool:
        """Send the request once. Raises `NotConfirmed` if no answer comes."""
        try:
            response = await self._sender.client.send(node_id, self.create_request(), group=self.group)
        except Exception as error:
            msg = "no answer to EndTxn; the outcome of the transaction is unknown"
            raise NotConfirmed(msg) from error
        backoff = self.handle_response(response)
        if backoff is None:
            return True
        await asyncio.sleep(backoff)
        return False


async def fence_owners(config: Config, transactional_ids: Iterable[str]) -> None:
    """Fence the producers with these transactional ids, so that they cannot publish any more."""
    for transactional_id in transactional_ids:
        producer = create_producer(config, transactional_id)
        try:
            await start_producer(producer)
        finally:
            await discard_producer(producer)


async def abort_left_open(
    config: Config, transactional_id: str, partitions: Iterable[TopicPartition]
) -> None:
    """Abort the transactions that a producer with this id left open on the partitions.

    Fences the producer. The partitions are given the end of a transaction that has no records of its own.
    """
    producer = create_producer(config, transactional_id)
    try:
        await start_producer(producer)
        async with asyncio.timeout(_TRANSACTION_TIMEOUT_SECONDS):
            await producer.begin_transaction()
            for partition in partitions:
                producer._txn_manager.maybe_add_partition_to_txn(partition)  # noqa: SLF001 - aiokafka adds partitions with records only
            await producer.abort_transaction()
    finally:
        await discard_producer(producer)


async def start_producer(producer: AIOKafkaProducer) -> None:
    """Start a transactional producer, which fences an earlier one with its id. After an error, discard it."""
    async with asyncio.timeout(_START_TIMEOUT_SECONDS):
        await producer.start()


async def publish_transaction(
    producer: AIOKafkaProducer, records: Mapping[TopicPartition, Sequence[EncodedRecord]]
) -> dict[TopicPartition, PartitionEnd]:
    """Publish the records of each partition in one transaction; return the end of each partition.

    After any error the outcome is unknown, and the producer must be discarded.
    """
    async with asyncio.timeout(_TRANSACTION_TIMEOUT_SECONDS):
        await producer.begin_transaction()
        # Every future is awaited before the commit: after a failed batch, aiokafka would commit the others.
        end_offsets = await asyncio.gather(
            *(_send_records(producer, partition, part) for partition, part in records.items())
        )
        await producer.commit_transaction()
    return {
        partition: PartitionEnd(records[partition][-1].sequence, end)
        for partition, end in zip(records, end_offsets, strict=True)
    }


async def _send_records(
    producer: AIOKafkaProducer, partition: TopicPartition, records: Sequence[EncodedRecord]
) -> int:
    """Send the records in as few batches as possible; return the offset after the last record."""
    batch = producer.create_batch()
    sent = []
    for record in records:
        if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
            sent.append((batch.record_count(), await _send_batch(producer, batch, partition)))
            batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
    sent.append((batch.record_count(), await _send_batch(producer, batch, partition)))
    ends = [(await future).offset + count for count, future in sent]
    return int(ends[-1])


async def _send_batch(producer: AIOKafkaProducer, batch: Any, partition: TopicPartition) -> Any:
    # aiokafka would wait for the linger time before sending an open batch.
    batch.close()
    return await producer.send_batch(batch, partition.topic, partition=partition.partition)


def create_producer(
    config: Config, transactional_id: str, max_batch_bytes: int = MAX_MESSAGE_BYTES
) -> AIOKafkaProducer:
    """Return a transactional producer, not started, whose batches have at most `max_batch_bytes`."""
    producer = AIOKafkaProducer(
        **config.kafka.client_options(),
        transactional_id=transactional_id,
        transaction_timeout_ms=BROKER_TIMEOUT_MS,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        retry_backoff_ms=_RETRY_BACKOFF_MS,
        max_batch_size=min(_BATCH_BYTES, max_batch_bytes - _BATCH_OVERHEAD_BYTES),
        max_request_size=MAX_MESSAGE_BYTES,
        linger_ms=0,
    )
    internal_sender = producer._sender  # noqa: SLF001 - aiokafka has no public way to replace EndTxn

    async def end_transaction(commit: bool) -> None:  # noqa: FBT001 - aiokafka passes it by position
        await internal_sender._message_accumulator.flush_for_commit()  # noqa: SLF001 - as above
        manager = internal_sender._txn_manager  # noqa: SLF001 - as above
        if manager.is_empty_transaction():
            manager.complete_transaction()
            return
        node = await internal_sender._find_coordinator(  # noqa: SLF001 - as above
            sender.CoordinationType.TRANSACTION, manager.transactional_id
        )
        await SingleAttemptEndTxn(internal_sender, commit).do(node)

    internal_sender._do_txn_commit = end_transaction  # noqa: SLF001 - as above
    return producer
