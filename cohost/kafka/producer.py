"""Write CloudEvents idempotently, and replace a producer that fails."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from cohost.kafka.backoff import Backoff
from cohost.kafka.closing import close_within, discard_producer
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost_schemas import envelope, timestamps
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message

_log = logging.getLogger("cohost")

_HEADERS = [("content-type", envelope.CONTENT_TYPE)]
_NON_RETRIABLE = (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
_FIRST_RETRY_SECONDS = 0.1
_MAX_RETRY_SECONDS = 0.5
# aiokafka wakes every sender that waits for space in a batch at once: thousands keep it busy for seconds.
_MAX_IN_FLIGHT = 200

TraceProvider = Callable[[], Mapping[str, str]]
RecordHeaders = Sequence[tuple[str, bytes | None]]


class ClientClosed(RuntimeError):
    """The client was closed; it cannot write any more."""

    def __init__(self) -> None:
        super().__init__("the client is closed")


@dataclass(slots=True)
class DeliveryState:
    """Delivery state of one record: whether Kafka may have it, and its partition and offset if confirmed."""

    attempted: bool = False
    partition: int | None = None
    offset: int | None = None

    @property
    def is_published(self) -> bool | None:
        """Return whether the record is in Kafka; None if that is unknown."""
        if self.offset is not None:
            return True
        return None if self.attempted else False


@dataclass(frozen=True, slots=True)
class _ProducerHandle:
    """A started producer; the future `broken` is done once the producer must not be used any more."""

    producer: AIOKafkaProducer
    broken: asyncio.Future[None]


class CloudEventProducer:
    """Write single records and wait until Kafka confirms each; many can be in flight at once.

    After an attempt that fails or takes longer than `attempt_seconds`, the next one uses a new producer.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        source: str,
        trace: TraceProvider | None = None,
        *,
        attempt_seconds: float,
        batch_bytes: int = 16 * 1024,
    ) -> None:
        self._connection = connection
        self._source = source
        self._trace = trace
        self._attempt_seconds = attempt_seconds
        self._batch_bytes = batch_bytes
        self._stopped = False
        self._running: _ProducerHandle | None = None
        self._starting = asyncio.Lock()
        self._in_flight = asyncio.Semaphore(_MAX_IN_FLIGHT)

    async def start(self) -> None:
        """Connect. Raises aiokafka's errors while Kafka is unavailable."""
        await self._ensure_started()

    async def stop(self, drain_seconds: float = 1) -> None:
        """Disconnect permanently; unconfirmed records get `drain_seconds` more."""
        self._stopped = True
        running, self._running = self._running, None
        if running is not None:
            if drain_seconds:
                await close_within(running.producer.stop(), drain_seconds)
            await self._close_producer(running)

    async def partition_count(self, topic: Topic) -> int:
        """Return the number of partitions of a topic."""
        running = await self._ensure_started()
        return len(await running.producer.partitions_for(self._connection.topic_name(topic)))

    def topic_name(self, topic: Topic) -> str:
        """Return the topic's name in Kafka, with the prefix."""
        return self._connection.topic_name(topic)

    def encode_event(self, event_id: str, data: Message, subject: str, **attributes: str) -> bytes:
        """Return the encoded CloudEvent of a command or a fact; `attributes` are further ones."""
        return envelope.encode_event(
            envelope.build_cloud_event(
                type(data).__name__,
                data,
                event_id=event_id,
                source=self._source,
                subject=subject,
                time=timestamps.current_timestamp(),
                **self._current_trace(),
                **attributes,
            )
        )

    async def send_record(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        delivery: DeliveryState,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Write a record and wait until Kafka confirms it, retrying for as long as the caller waits.

        Without `headers` it has those of a CloudEvent. The record may be written more than once. Raises
        aiokafka's errors if a retry cannot help, and `ClientClosed` once the producer is stopped.
        """
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                await self.send_once(topic, key, value, delivery, headers)
            except _NON_RETRIABLE:
                raise
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    _log.warning("record for topic %s not confirmed, retrying: %r", topic.suffix, error)
                await asyncio.sleep(backoff.next_wait())
            else:
                return

    async def send_once(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        delivery: DeliveryState,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Write a record and wait until Kafka confirms it. Raises `UNAVAILABLE_ERRORS` and `ClientClosed`."""
        running: _ProducerHandle | None = None
        try:
            async with asyncio.timeout(self._attempt_seconds), self._in_flight:
                running = await self._ensure_started()
                future = await running.producer.send(
                    self._connection.topic_name(topic),
                    value,
                    # aiokafka's partitioner is that of the Java client: the key alone decides.
                    key=key.encode(),
                    headers=self._default_headers(value) if headers is None else list(headers),
                )
                await _await_delivery(running, future, delivery)
        except UNAVAILABLE_ERRORS:
            await self._drop_failed(running)
            raise

    def _current_trace(self) -> Mapping[str, str]:
        return self._trace() if self._trace is not None else {}

    def _default_headers(self, value: bytes | None) -> RecordHeaders:
        if value is not None:
            return _HEADERS
        # A tombstone has no attributes: its trace is in the record's headers.
        return [(name, value.encode()) for name, value in self._current_trace().items()]

    async def _ensure_started(self) -> _ProducerHandle:
        async with self._starting:
            if self._stopped:
                raise ClientClosed
            if self._running is None:
                producer = AIOKafkaProducer(
                    **self._connection.client_options(),
                    enable_idempotence=True,
                    max_batch_size=self._batch_bytes,
                    request_timeout_ms=5_000,
                    retry_backoff_ms=20,
                )
                running = _ProducerHandle(producer, asyncio.get_running_loop().create_future())
                try:
                    await producer.start()
                    if self._stopped:
                        raise ClientClosed  # noqa: TRY301 - stopped while it was starting: nobody else would close it
                except BaseException:
                    await self._close_producer(running)
                    raise
                self._running = running
            return self._running

    async def _drop_failed(self, failed: _ProducerHandle | None) -> None:
        # A failed batch has used up sequence numbers: all later records of its partition would fail.
        if failed is not None and self._running is failed:
            self._running = None
            await self._close_producer(failed)

    async def _close_producer(self, running: _ProducerHandle) -> None:
        if not running.broken.done():
            running.broken.set_result(None)
        await discard_producer(running.producer)


async def _await_delivery(
    running: _ProducerHandle, future: asyncio.Future[Any], delivery: DeliveryState
) -> None:
    delivery.attempted = True
    await asyncio.wait({future, running.broken}, return_when=asyncio.FIRST_COMPLETED)
    if not future.done():
        msg = "the producer failed on another record"
        raise KafkaError(msg)
    written = future.result()
    delivery.partition, delivery.offset = written.partition, written.offset
