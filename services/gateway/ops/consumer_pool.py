"""Consumers that are connected already, because to connect takes longer than to read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from cohost.kafka.bounded_consumer import BoundedConsumer
from cohost.kafka.closing import close_within
from cohost.kafka.connection import KafkaConnection

# They are in no group: without an answer of the broker nothing is lost.
_CLOSE_SECONDS = 1


class ConsumerPool:
    """At most `size` consumers, each used by one reader at a time.

    One with which a reader failed is closed: after an outage of all brokers some never resume
    (aio-libs/aiokafka#703).
    """

    def __init__(self, connection: KafkaConnection, size: int) -> None:
        self._connection = connection
        self._slots = asyncio.Semaphore(size)
        self._idle: list[BoundedConsumer] = []
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def borrow_consumer(self) -> AsyncIterator[BoundedConsumer]:
        """Wait for a consumer; the block must pause what it assigns. Raises aiokafka's errors."""
        async with self._slots:
            is_new = not self._idle
            consumer = self._connection.create_consumer() if is_new else self._idle.pop()
            try:
                if is_new:
                    await consumer.start()
                yield consumer
            except BaseException:
                # Its reader's time may be over, and without Kafka it takes seconds.
                closing = asyncio.create_task(close_within(consumer.stop()))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                raise
            self._idle.append(consumer)

    async def close(self) -> None:
        """Close the consumers that are not in use."""
        await asyncio.gather(
            *self._closing, *(close_within(consumer.stop(), _CLOSE_SECONDS) for consumer in self._idle)
        )
        self._idle.clear()
