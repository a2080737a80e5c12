"""A session's consumer on the subscriber that all sessions of a process share."""

import asyncio
import gc
import weakref
from collections.abc import Collection, Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, OffsetOutOfRangeError
from faststream.kafka import KafkaMessage

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.fetch_wait import set_fetch_wait
from messaging.config import Config
from messaging.inputs import consumer, next_batch
from messaging.inputs.consumer import Consumer
from tests.messaging.counter_processor import TOPOLOGY
from tests.messaging.lane_brokers import create_broker

PARTITION = TopicPartition("rooms", 0)
POSITION = 5
WAIT_SECONDS = 30


class RecordingListener:
    """A session that records its consumer's calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.published = asyncio.Event()
        self.published.set()
        self._awaited = asyncio.Event()
        self.failed = asyncio.Event()

    async def wait_published(self) -> None:
        self._awaited.set()
        await self.published.wait()

    async def wait_awaited(self) -> None:
        """Wait until the consumer waits for a publication, from now on."""
        self._awaited.clear()
        await self._awaited.wait()

    async def handle_batch(self, records: Sequence[object]) -> None:
        self.calls.append(tuple(records))

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(list(partitions))

    async def on_revoked(self) -> None:
        self.calls.append("revoked")

    def fail_session(self, error: BaseException) -> None:
        self.calls.append(error)
        self.failed.set()


class FakeRecord:
    """A record with so many bytes in its value."""

    def __init__(self, size: int = 100) -> None:
        self.key, self.value, self.headers = b"", b"x" * size, ()


class FakeKafkaConsumer:
    """An aiokafka consumer whose rebalances come after `rebalanced`, in a task of its own."""

    def __init__(self) -> None:
        self.rebalanced = asyncio.Event()
        self.rebalancing = asyncio.create_task(self._rebalance())
        self._fetcher = SimpleNamespace(_fetch_max_wait_ms=10)

    def pause(self, *_: TopicPartition) -> None:
        """Pause nothing."""

    async def getmany(self, **_: object) -> dict[TopicPartition, list[FakeRecord]]:
        return {PARTITION: [FakeRecord()]}

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset()

    async def position(self, _: TopicPartition) -> int:
        return POSITION

    async def _rebalance(self) -> None:
        await self.rebalanced.wait()
        listener = consumer.RebalanceListener()
        await listener.on_partitions_revoked([PARTITION])
        await listener.on_partitions_assigned([PARTITION])


class FakeSubscriber:
    """A subscriber that makes a new consumer at each start, as FastStream's does."""

    def __init__(self) -> None:
        self.consumer: FakeKafkaConsumer | None = None

    async def start(self) -> None:
        self.consumer = FakeKafkaConsumer()

    async def stop(self) -> None:
        """Leave the old consumer running: it is slow to stop."""


async def start_consumer(
    subscriber: FakeSubscriber,
) -> tuple[Consumer, RecordingListener, FakeKafkaConsumer]:
    config = Config("127.0.0.1:1", "", "counter")
    listener = RecordingListener()
    started = Consumer(config, create_broker(config, TOPOLOGY), listener)
    started._subscriber = subscriber  # noqa: SLF001 - no Kafka is there to start the real one
    await started.start("counter-1")
    started.mark_sought()
    assert subscriber.consumer is not None
    return started, listener, subscriber.consumer


async def test_a_consumer_that_is_slow_to_stop_never_calls_the_next_session() -> None:
    subscriber = FakeSubscriber()
    old, old_listener, old_kafka_consumer = await start_consumer(subscriber)
    await old.stop()
    _, listener, kafka_consumer = await start_consumer(subscriber)
    for each in (old_kafka_consumer, kafka_consumer):
        each.rebalanced.set()
        await each.rebalancing
    assert old_listener.calls == ["revoked"]
    assert listener.calls == ["revoked", [PARTITION]]


async def test_a_stopped_consumer_polls_no_more() -> None:
    stopped, _, _ = await start_consumer(FakeSubscriber())
    await stopped.stop()
    with pytest.raises(ConsumerStoppedError):
        await stopped.poll(None)


async def test_records_fetched_before_a_seek_are_not_handled() -> None:
    started, listener, kafka_consumer = await start_consumer(FakeSubscriber())
    before = await started.poll(kafka_consumer)
    started.mark_sought()
    await started.handle_message(message(before))
    assert (listener.calls, started.unhandled_partitions) == ([], set())
    after = await started.poll(kafka_consumer)
    assert started.unhandled_partitions == {PARTITION}
    await started.handle_message(message(after))
    assert (listener.calls, started.unhandled_partitions) == ([after], set())


async def test_records_fetched_before_a_revocation_are_not_handled() -> None:
    started, listener, kafka_consumer = await start_consumer(FakeSubscriber())
    before = await started.poll(kafka_consumer)
    started.invalidate_fetched()
    await started.handle_message(message(before))
    assert listener.calls == []


class QuietKafkaConsumer(FakeKafkaConsumer):
    """A consumer that finds a record in its third poll, and notes how long its fetches may wait at each."""

    def __init__(self, paused: Collection[TopicPartition] = ()) -> None:
        super().__init__()
        self._paused = frozenset(paused)
        self.waits: list[int] = []

    def paused(self) -> frozenset[TopicPartition]:
        return self._paused

    async def getmany(self, **_: object) -> dict[TopicPartition, list[FakeRecord]]:
        self.waits.append(self._fetcher._fetch_max_wait_ms)  # noqa: SLF001 - as in `set_fetch_wait`
        return {PARTITION: [FakeRecord()]} if len(self.waits) % 4 == 3 else {}


@pytest.mark.parametrize(("paused", "expected"), [([], [10, 100, 100, 10]), ([PARTITION], [10, 10, 10, 10])])
async def test_fetches_wait_longer_while_no_record_arrives(
    paused: Sequence[TopicPartition], expected: list[int]
) -> None:
    started, _, _ = await start_consumer(FakeSubscriber())
    quiet = QuietKafkaConsumer(paused)
    await started.poll(quiet)
    await started.poll(quiet)
    assert quiet.waits == expected * 2


class FeedingKafkaConsumer(FakeKafkaConsumer):
    """A consumer whose polls find these records or errors, one after the other, and then no more."""

    def __init__(self, *found: Sequence[FakeRecord] | Exception) -> None:
        super().__init__()
        self._found = list(found)
        self._is_exhausted = asyncio.Event()

    def add_found(self, found: Sequence[FakeRecord]) -> None:
        """Let the next poll find these."""
        self._is_exhausted.clear()
        self._found.append(found)

    async def wait_exhausted(self) -> None:
        """Wait until a poll finds no more."""
        await asyncio.wait_for(self._is_exhausted.wait(), WAIT_SECONDS)

    async def getmany(self, **_: object) -> dict[TopicPartition, list[FakeRecord]]:
        if not self._found:
            self._is_exhausted.set()
            # As aiokafka, which waits for records, or for its other tasks.
            await asyncio.sleep(0.001)
            return {}
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return {PARTITION: list(found)}


async def test_records_are_collected_until_the_batches_before_are_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(next_batch, "_LONGEST_WAIT_SECONDS", WAIT_SECONDS)
    started, listener, _ = await start_consumer(FakeSubscriber())
    records = [FakeRecord() for _ in range(3)]
    feeding = FeedingKafkaConsumer(records[:1], (), records[1:])
    listener.published.clear()
    polling = asyncio.create_task(started.poll(feeding))
    await feeding.wait_exhausted()
    assert not polling.done()
    listener.published.set()
    assert await polling == tuple(records)


@pytest.mark.parametrize("records", [[FakeRecord() for _ in range(1000)], [FakeRecord(1024 * 1024)]])
async def test_many_records_wait_for_no_publication(
    records: Sequence[FakeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_batch, "_LONGEST_WAIT_SECONDS", 2 * WAIT_SECONDS)
    started, listener, _ = await start_consumer(FakeSubscriber())
    listener.published.clear()
    polling = started.poll(FeedingKafkaConsumer(records))
    assert await asyncio.wait_for(polling, WAIT_SECONDS) == tuple(records)


async def test_records_wait_for_a_publication_for_a_bounded_time() -> None:
    started, listener, _ = await start_consumer(FakeSubscriber())
    listener.published.clear()
    first, second = FakeRecord(), FakeRecord()
    polling = started.poll(FeedingKafkaConsumer([first], [second]))
    assert await asyncio.wait_for(polling, WAIT_SECONDS) == (first, second)


async def test_records_collected_before_a_seek_are_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_batch, "_LONGEST_WAIT_SECONDS", WAIT_SECONDS)
    started, listener, _ = await start_consumer(FakeSubscriber())
    before, after = FakeRecord(), FakeRecord()
    feeding = FeedingKafkaConsumer([before])
    listener.published.clear()
    polling = asyncio.create_task(started.poll(feeding))
    await feeding.wait_exhausted()
    started.mark_sought()
    feeding.add_found([after])
    listener.published.set()
    assert await polling == (after,)


async def test_records_after_a_revocation_are_not_returned_before_the_next_seek(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(next_batch, "_LONGEST_WAIT_SECONDS", WAIT_SECONDS)
    started, listener, _ = await start_consumer(FakeSubscriber())
    after_seek = FakeRecord()
    feeding = FeedingKafkaConsumer([FakeRecord()])
    listener.published.clear()
    polling = asyncio.create_task(started.poll(feeding))
    await feeding.wait_exhausted()
    started.invalidate_fetched()
    listener.published.set()
    feeding.add_found([FakeRecord()])
    await feeding.wait_exhausted()
    feeding.add_found([FakeRecord()])
    await feeding.wait_exhausted()
    assert started.unhandled_partitions == set()
    started.mark_sought()
    feeding.add_found([after_seek])
    assert await asyncio.wait_for(polling, WAIT_SECONDS) == (after_seek,)


async def test_lost_input_fails_the_session_after_what_was_read_is_published() -> None:
    started, listener, _ = await start_consumer(FakeSubscriber())
    record, other, lost = FakeRecord(), FakeRecord(), OffsetOutOfRangeError({PARTITION: POSITION})
    # Other partitions always have records, and Kafka answers with the error once.
    feeding = FeedingKafkaConsumer([record], lost, [other])
    listener.published.clear()
    assert await asyncio.wait_for(started.poll(feeding), WAIT_SECONDS) == (record,)
    polling = asyncio.create_task(started.poll(feeding))
    await asyncio.wait_for(listener.wait_awaited(), WAIT_SECONDS)
    assert listener.calls == []
    listener.published.set()
    await asyncio.wait_for(listener.failed.wait(), WAIT_SECONDS)
    assert listener.calls == [lost]
    polling.cancel()


async def test_lost_input_of_a_revoked_partition_fails_no_session() -> None:
    started, listener, _ = await start_consumer(FakeSubscriber())
    after = FakeRecord()
    feeding = FeedingKafkaConsumer(OffsetOutOfRangeError({PARTITION: POSITION}))
    listener.published.clear()
    polling = asyncio.create_task(started.poll(feeding))
    await asyncio.wait_for(listener.wait_awaited(), WAIT_SECONDS)
    started.invalidate_fetched()
    listener.published.set()
    await feeding.wait_exhausted()
    started.mark_sought()
    feeding.add_found([after])
    assert await asyncio.wait_for(polling, WAIT_SECONDS) == (after,)
    assert listener.calls == []


async def test_handled_records_are_freed_without_the_garbage_collector() -> None:
    started, listener, _ = await start_consumer(FakeSubscriber())
    record = FakeRecord()
    delivered = message((record,))
    delivered.set_decoder(consumer.keep_message)
    # FastStream does so before it calls the handler: the message is in its own cache then.
    await delivered.decode()
    await started.handle_message(delivered)
    listener.calls.clear()
    found = weakref.ref(record)
    gc.disable()
    try:
        del record, delivered
        assert found() is None
    finally:
        gc.enable()


async def test_the_wait_of_a_real_consumers_fetches_is_changed(kafka: str) -> None:
    async with KafkaConnection(kafka).open_consumer() as real:
        before = real._fetcher._fetch_max_wait_ms  # noqa: SLF001 - no fetch of a test can show it surely
        set_fetch_wait(real, before + 1)
        assert real._fetcher._fetch_max_wait_ms == before + 1  # noqa: SLF001 - as above


def message(records: Sequence[object]) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=(), headers={}, consumer=None)
