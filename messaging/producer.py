"""Produce CloudEvents outside the exactly-once path: scheduled commands and signals."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from cohost.kafka.closing import discard_producer
from cohost_schemas import envelope, timestamps
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.config import Config
from messaging.errors import NotConfirmed

_SEND_SECONDS = 10
_START_SECONDS = 10
_BATCH_BYTES = 256 * 1024
"""Enough for all concurrent senders: aiokafka wakes every sender that waits for room in a batch each time."""

_HEADERS = [("content-type", envelope.CONTENT_TYPE)]


class CloudEventProducer:
    """Writes CloudEvents. Each has an id, so that sending it twice is harmless."""

    def __init__(self, config: Config, source: str) -> None:
        self._config = config
        self._source = source
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def stop(self) -> None:
        """Close the connection and drop unconfirmed records."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard_producer(producer)

    async def send_message(self, topic: Topic, message_id: str, data: Message, key: str) -> None:
        """Write one record and wait until it is confirmed.

        Raises `NotConfirmed` if that takes too long or fails; sending it again with the same id is safe.
        """
        event = envelope.build_cloud_event(
            type(data).__name__,
            data,
            event_id=message_id,
            source=self._source,
            subject=key,
            time=timestamps.current_timestamp(),
        )
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                producer = await self._start_once()
                name = topic.full_name(self._config.prefix)
                partition = partition_of(key, len(await producer.partitions_for(name)))
                await producer.send_and_wait(
                    name,
                    envelope.encode_event(event),
                    key=key.encode(),
                    partition=partition,
                    headers=_HEADERS,
                )
        except (KafkaError, TimeoutError, OSError, AssertionError) as error:
            await self._discard_failed(producer)
            msg = f"record for {topic.suffix} not confirmed: {type(error).__name__}"
            raise NotConfirmed(msg) from error

    async def _start_once(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._config.kafka.client_options(),
                    enable_idempotence=True,
                    max_batch_size=_BATCH_BYTES,
                    request_timeout_ms=5_000,
                    retry_backoff_ms=20,
                )
                try:
                    async with asyncio.timeout(_START_SECONDS):
                        await producer.start()
                except BaseException:
                    await discard_producer(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _discard_failed(self, failed: AIOKafkaProducer | None) -> None:
        # A failed batch has used up sequence numbers: every later record for its partition would fail.
        if failed is not None and self._producer is failed:
            self._producer = None
            await discard_producer(failed)
