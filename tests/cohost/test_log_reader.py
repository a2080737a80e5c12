"""The log reader continues after errors."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

import cohost
from cohost.kafka import log_reader
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import LogReader
from cohost_schemas import topics
from tests.cohost.fake_services import WAIT_SECONDS, FakeServices, co_host_left, reads_prefix


async def test_reading_continues_after_a_deleted_start_despite_errors(
    kafka: str, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    extents, failures = log_reader.fetch_offset_bounds, iter([KafkaConnectionError(), TimeoutError()])

    async def failing(*of: Any) -> Any:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await extents(*of)

    monkeypatch.setattr(log_reader, "fetch_offset_bounds", failing)
    await service.publish_outcome("cause", "room", co_host_left("room"))
    connection = KafkaConnection(kafka, service.prefix)
    place = TopicPartition(connection.topic_name(topics.INVITATION_EVENTS), service.partition_for("room"))
    reading = LogReader(connection, {place: 1_000}, skip_gaps=True)
    batches = reading.read_batches()
    records = await asyncio.wait_for(anext(batches), WAIT_SECONDS)
    assert b'"cause"' in records[0].value
    await reading.stop()
    await batches.aclose()


async def test_reading_to_an_end_waits_for_fetches_that_take_more_than_a_second(
    kafka: str, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.publish_outcome("cause", "room", co_host_left("room"))
    connection = KafkaConnection(kafka, service.prefix)
    place = TopicPartition(connection.topic_name(topics.INVITATION_EVENTS), service.partition_for("room"))
    _, ends = await log_reader.fetch_offset_bounds(connection, [place])
    polls: Counter[AIOKafkaConsumer] = Counter()
    getmany = AIOKafkaConsumer.getmany

    async def slow(consumer: AIOKafkaConsumer, *of: Any, timeout_ms: int = 0, **more: Any) -> Any:
        polls[consumer] += 1
        if reads_prefix(consumer, service.prefix) and polls[consumer] <= 12:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        return await getmany(consumer, *of, timeout_ms=timeout_ms, **more)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", slow)
    async with asyncio.timeout(WAIT_SECONDS):
        reading = LogReader(connection, {place: 0}, end_offsets=ends)
        read = [record async for records in reading.read_batches() for record in records]
    assert [b'"cause"' in record.value for record in read] == [True]


async def test_reading_outcomes_continues_after_an_unexpected_error(
    client: cohost.Client, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()
    getmany = AIOKafkaConsumer.getmany

    async def failing(consumer: AIOKafkaConsumer, *of: Any, **more: Any) -> Any:
        if not reads_prefix(consumer, service.prefix):
            return await getmany(consumer, *of, **more)
        failed.set()
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(AIOKafkaConsumer, "getmany", failing)
        await asyncio.wait_for(failed.wait(), WAIT_SECONDS)
    command_task = asyncio.ensure_future(client.leave_stage("room", "bob"))
    command = await service.next_command()
    await service.publish_outcome(command.envelope.id, "room", co_host_left("room"))
    assert (await command_task).data.user_id == "bob"


async def test_a_reader_stopped_during_its_start_closes_its_consumer(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[AIOKafkaConsumer] = []
    starting, go_on = asyncio.Event(), asyncio.Event()
    start = AIOKafkaConsumer.start

    async def slow(consumer: AIOKafkaConsumer) -> None:
        started.append(consumer)
        starting.set()
        await go_on.wait()
        await start(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "start", slow)
    reading = LogReader(KafkaConnection(kafka), {TopicPartition("nothing", 0): 0})

    async def read() -> list[Any]:
        return [records async for records in reading.read_batches()]

    reader = asyncio.ensure_future(read())
    await asyncio.wait_for(starting.wait(), WAIT_SECONDS)
    await reading.stop()
    go_on.set()
    assert await asyncio.wait_for(reader, WAIT_SECONDS) == []
    assert [consumer._closed for consumer in started] == [True]  # noqa: SLF001 - aiokafka has no public attribute for it
