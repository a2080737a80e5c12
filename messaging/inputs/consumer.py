"""The consumer of a session: raw records and partition assignments from FastStream's subscriber."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from itertools import chain
from typing import Any, NoReturn, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faststream.kafka import KafkaBroker, KafkaMessage

from cohost.kafka.fetch_budget import poll_within_budget
from cohost.kafka.fetch_wait import set_fetch_wait
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.inputs.next_batch import NextBatch

POLL_MS = 200

_IDLE_FETCH_WAIT_MS = 100

_SHORTEST_PAUSE_SECONDS = 0.001

_COMMIT_TIMEOUT_SECONDS = 5


class ConsumerListener(Protocol):
    """The callbacks of a consumer."""

    async def handle_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle a batch of records; the next batch is delivered after this returns."""
        ...

    async def wait_published(self) -> None:
        """Wait until every batch that was handled is published. After a failure it does not return."""
        ...

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start to take over these assigned partitions, which are paused."""
        ...

    async def on_revoked(self) -> None:
        """Give up every partition; after this returns, other members may own them."""
        ...

    def fail_session(self, error: BaseException) -> None:
        """End the session with this error."""
        ...


class Consumer:
    """A member of the service's consumer group. It is for one use: `start`, then `stop`.

    The broker and its subscriber live as long as the process; each start makes a new aiokafka consumer.
    """

    def __init__(self, config: Config, broker: KafkaBroker, listener: ConsumerListener) -> None:
        (subscriber,) = broker.subscribers
        self._config = config
        self._broker = broker
        self._subscriber: Any = subscriber
        self._listener = listener
        self._stopping = False
        self.unhandled_partitions: set[TopicPartition] = set()
        """The partitions of which fetched records are waiting to be handled."""
        self.has_sought = False
        """Whether the assigned partitions were sought to the lanes' positions."""
        self._discard_fetched = False
        self._lost_input: KafkaError | None = None
        self._last_fetch_at = 0.0
        self._is_idle = False

    @property
    def kafka_consumer(self) -> AIOKafkaConsumer:
        """Return the subscriber's aiokafka consumer."""
        return self._subscriber.consumer

    async def start(self, client_id: str) -> None:
        """Join the group under this client id.

        The tasks that this starts inherit the context, so that `current()` returns this object in them: a
        consumer that is slow to stop must never call the next session.
        """
        _current.set(self)
        # The subscriber reads it whenever it makes a consumer.
        self._broker.config.broker_config.client_id = client_id
        await self._broker.connect()
        await self._subscriber.start()

    async def stop(self) -> None:
        """Leave the group. The lanes must be released before: stopping does not call `on_revoked`."""
        self._stopping = True
        await self._subscriber.stop()

    def invalidate_fetched(self) -> None:
        """Discard fetched records that are not handled: they may no longer follow the lanes' positions."""
        self._discard_fetched = True
        self.has_sought = False

    def mark_sought(self) -> None:
        """Mark all partitions as sought and discard records fetched before the seek.

        aiokafka fetches from the mirrored offsets before the listener can pause it. Between those offsets and
        the lane's real position there may be records that were decided but never committed.
        """
        self._discard_fetched = True
        self.has_sought = True

    async def mirror_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for lag monitoring only. Raises `NotConfirmed` if Kafka does not answer."""
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_SECONDS):
                if offsets:
                    await self.kafka_consumer.commit(dict(offsets))
                else:
                    await self.kafka_consumer.topics()
        except (CommitFailedError, IllegalStateError):
            return  # a rebalance is under way, and the next owner will mirror its own offsets
        except (KafkaError, TimeoutError) as error:
            msg = "Kafka did not answer the commit of offsets in time"
            raise NotConfirmed(msg) from error

    async def poll(self, kafka_consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """Wait for records and return them, with all that arrive until the batches before are published.

        A small batch takes about as long as a larger one: more of them at a time would only share the same
        cores. Many records are returned at once, and no record waits for long, so that a backlog keeps the
        pipeline full. Meanwhile Kafka is asked for more every `batch_pause_ms`.
        """
        pause = max(_SHORTEST_PAUSE_SECONDS, self._config.batch_pause_ms / 1000)
        await asyncio.sleep(self._last_fetch_at + pause - time.monotonic())
        batch = NextBatch(self._config.max_records)
        while not self._stopping:
            if self._lost_input is not None and not batch.records:
                await self._report_lost_input(self._lost_input)
            found = await self._fetch(kafka_consumer, len(batch.records))
            # No await from here on until it is known that the records are not handled.
            if self._discard_fetched:
                batch = NextBatch(self._config.max_records)
                self.unhandled_partitions.clear()
                self._discard_fetched = False
            # Between a revocation and the next seek, records follow no lane's position.
            if self.has_sought:
                batch.add(chain.from_iterable(found.values()))
                self.unhandled_partitions.update(found)
            if found:
                self._last_fetch_at = time.monotonic()
            self._adapt_fetches(kafka_consumer, is_idle=not batch.records and not kafka_consumer.paused())
            if not batch.records:
                continue
            if self._lost_input is not None or batch.is_due:
                return tuple(batch.records)
            if await self._is_published_within(min(pause, batch.seconds_left)):
                batch.end_wait()
        raise ConsumerStoppedError

    async def _fetch(
        self, kafka_consumer: AIOKafkaConsumer, collected_count: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """Return the next records, by partition; wait for one only if none are collected."""
        try:
            return await poll_within_budget(
                kafka_consumer,
                timeout_ms=0 if collected_count else POLL_MS,
                max_records=self._config.max_records - collected_count,
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            if await self._is_input_lost(error):
                self._lost_input = error
            # Each partition may have such an error pending; nothing is fetched until it was raised.
            elif not self.has_sought:
                await asyncio.sleep(POLL_MS / 1000)
            return {}
        except Exception as error:
            # `getmany` lost the records that it had drained.
            if self._stopping:
                raise ConsumerStoppedError from error
            return await self._fail(error)

    async def _report_lost_input(self, error: KafkaError) -> None:
        """Fail the session if input is lost, once what was read before is committed: takeovers need that."""
        await self._listener.wait_published()
        self._lost_input = None
        if await self._is_input_lost(error):
            await self._fail(error)

    async def _fail(self, error: BaseException) -> NoReturn:
        """End the session, which cancels the poll that calls this."""
        self._listener.fail_session(error)
        await asyncio.Event().wait()
        raise ConsumerStoppedError from error

    async def _is_published_within(self, seconds: float) -> bool:
        """Wait until the batches before are published; return False if they are not after this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._listener.wait_published()
                return True
        return False

    async def handle_message(self, message: KafkaMessage) -> None:
        """Pass a batch on to the session, unless a rebalance or a seek made it invalid."""
        records: Any = message.raw_message
        try:
            if not self._discard_fetched:
                await self._listener.handle_batch(records)
        finally:
            self.unhandled_partitions.clear()
            # The message refers to itself there: its records would stay until the garbage collector comes.
            message.clear_cache()

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Pause the partitions and start their takeover."""
        if self._stopping:
            return
        try:
            # Fetching has already resumed, and no heartbeats are sent in here: pause, and work outside.
            self.kafka_consumer.pause(*partitions)
            self._listener.on_assigned(list(partitions))
        except Exception as error:  # noqa: BLE001 - see `RebalanceListener`
            self._listener.fail_session(error)

    async def on_revoked(self) -> None:
        """Give up every partition."""
        try:
            await self._listener.on_revoked()
        except Exception as error:  # noqa: BLE001 - see `RebalanceListener`
            self._listener.fail_session(error)

    def _adapt_fetches(self, kafka_consumer: AIOKafkaConsumer, *, is_idle: bool) -> None:
        """Make fewer fetches while no record arrives: the next one ends the wait of a fetch at once.

        Not so while aiokafka has records of some partitions, or they are paused: a fetch that waits leaves
        them out, and their next records wait with it.
        """
        if is_idle != self._is_idle:
            self._is_idle = is_idle
            wait_ms = self._config.fetch_max_wait_ms
            set_fetch_wait(kafka_consumer, max(wait_ms, _IDLE_FETCH_WAIT_MS) if is_idle else wait_ms)

    async def _is_input_lost(self, error: KafkaError) -> bool:
        """Return whether the log lacks the offset to read next; offsets from before the seek do not count."""
        if not self.has_sought or isinstance(error, NoOffsetForPartitionError):
            return False
        try:
            return any(
                [
                    await self.kafka_consumer.position(partition) == offset
                    for partition, offset in error.args[0].items()
                ]
            )
        except IllegalStateError:
            return False  # the partition is no longer assigned to this worker


_current: ContextVar[Consumer] = ContextVar("consumer")


def current() -> Consumer:
    """Return the consumer whose `start` created the calling task."""
    return _current.get()


async def poll_current(consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
    """Poll for the current consumer; FastStream's loop calls this once per round."""
    return await current().poll(consumer)


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes assigned and revoked partitions to the current consumer. aiokafka swallows their errors."""

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Start to take over assigned partitions."""
        current().on_assigned(assigned)

    async def on_partitions_revoked(self, _: Sequence[TopicPartition]) -> None:
        """Give up every partition."""
        await current().on_revoked()


async def pass_through(records: Sequence[ConsumerRecord]) -> KafkaMessage:
    """Return a message with the raw records, none of them parsed."""
    return KafkaMessage(raw_message=records, body=(), headers={}, consumer=current().kafka_consumer)


async def keep_message(message: KafkaMessage) -> KafkaMessage:
    """Return the message as it is: each record is validated on its own by the session."""
    return message
