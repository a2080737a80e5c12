"""Kafka transactions whose outcome is known, or whose producer is thrown away."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer import sender
from aiokafka.producer.sender import EndTxnHandler

from messaging.closing import closed
from messaging.config import Config
from messaging.errors import Unavailable
from messaging.segments import Record

LARGEST_BATCH = 2 * 1024 * 1024
"""What a topic of dead letters takes by the contract, in bytes."""

_BATCH = 512 * 1024
# What Kafka counts of a batch besides its records.
_FRAME = 512
# The order matters: our own time-out of a whole transaction < the client's of one request < the broker's.
_TRANSACTION_SECONDS = 4
_REQUEST_MS = 5_000
_BROKER_MS = 10_000
_RETRY_MS = 5
_START_SECONDS = 15
_CLOSE_SECONDS = 1

# The wait after CONCURRENT_TRANSACTIONS on the first partition of a transaction; aiokafka's is 20 ms.
sender.BACKOFF_OVERRIDE = 0.002


@dataclass(frozen=True, slots=True)
class Written:
    """Where a transaction's records of a partition end: the last sequence, and the offset behind it."""

    sequence: int
    offset: int


class FinalEndTxn(EndTxnHandler):  # type: ignore[misc]
    """Ends the transaction with at most one unanswered request.

    aiokafka repeats an EndTxn on the same epoch after a lost connection; the delayed first one may then end
    the next transaction (KAFKA-17754). Here an unanswered request is fatal for the producer.
    """

    async def do(self, node_id: int) -> bool:
        """Ask once. Raises `Unavailable` when no answer comes."""
        try:
            response = await self._sender.client.send(node_id, self.create_request(), group=self.group)
        except Exception as error:
            msg = "the end of a transaction went unanswered"
            raise Unavailable(msg) from error
        backoff = self.handle_response(response)
        if backoff is None:
            return True
        await asyncio.sleep(backoff)
        return False


async def fence(config: Config, transactional_ids: Iterable[str]) -> None:
    """Make sure that whoever uses these transactional ids can publish nothing any more."""
    for transactional_id in transactional_ids:
        producer = _producer(config, transactional_id)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
        finally:
            await discard(producer)


async def start(config: Config, transactional_id: str, batch_bytes: int) -> AIOKafkaProducer:
    """Return a transactional producer that is ready to publish, in batches of so many bytes at most."""
    producer = _producer(config, transactional_id, min(_BATCH, batch_bytes - _FRAME))
    try:
        async with asyncio.timeout(_START_SECONDS):
            await producer.start()
    except BaseException:
        await discard(producer)
        raise
    return producer


async def discard(producer: AIOKafkaProducer) -> None:
    """Throw a producer away at once, with all that it may still have in its hands.

    `stop()` alone waits for pending batches, which never expire while a leader is known.
    """
    for close in (producer._sender.close, producer.client.close, producer.stop):  # noqa: SLF001 - no public way
        await closed(close(), _CLOSE_SECONDS)


async def publish(
    producer: AIOKafkaProducer, batches: Mapping[TopicPartition, Sequence[Record]]
) -> dict[TopicPartition, Written]:
    """Publish all of it in one transaction and return where each partition ends.

    Any error means that the outcome is unknown: the producer must be discarded.
    """
    async with asyncio.timeout(_TRANSACTION_SECONDS):
        await producer.begin_transaction()
        # Every future is awaited before the commit: aiokafka commits what is left after a failed batch.
        ends = await asyncio.gather(*(_send(producer, where, what) for where, what in batches.items()))
        await producer.commit_transaction()
    return {
        where: Written(batches[where][-1].sequence, end) for where, end in zip(batches, ends, strict=True)
    }


async def _send(producer: AIOKafkaProducer, where: TopicPartition, records: Sequence[Record]) -> int:
    """Send the records in as few batches as they fit in; return the offset behind the last."""
    batch = producer.create_batch()
    sent = []
    for record in records:
        if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
            sent.append((batch.record_count(), await _close(producer, batch, where)))
            batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
    sent.append((batch.record_count(), await _close(producer, batch, where)))
    ends = [(await future).offset + count for count, future in sent]
    return int(ends[-1])


async def _close(producer: AIOKafkaProducer, batch: Any, where: TopicPartition) -> Any:
    # An open batch would wait for the linger.
    batch.close()
    return await producer.send_batch(batch, where.topic, partition=where.partition)


def _producer(config: Config, transactional_id: str, batch_bytes: int = _BATCH) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        **config.client(),
        transactional_id=transactional_id,
        transaction_timeout_ms=_BROKER_MS,
        request_timeout_ms=_REQUEST_MS,
        retry_backoff_ms=_RETRY_MS,
        max_batch_size=batch_bytes,
        max_request_size=LARGEST_BATCH,
        linger_ms=0,
    )
    inner = producer._sender  # noqa: SLF001 - aiokafka has no other way to say how a transaction ends

    async def end_transaction(commit: bool) -> None:  # noqa: FBT001 - aiokafka calls it so
        await inner._message_accumulator.flush_for_commit()  # noqa: SLF001 - as above
        manager = inner._txn_manager  # noqa: SLF001 - as above
        if manager.is_empty_transaction():
            manager.complete_transaction()
            return
        node = await inner._find_coordinator(  # noqa: SLF001 - as above
            sender.CoordinationType.TRANSACTION, manager.transactional_id
        )
        await FinalEndTxn(inner, commit).do(node)

    inner._do_txn_commit = end_transaction  # noqa: SLF001 - as above
    return producer
