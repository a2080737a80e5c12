"""Readers of the client meet batches that unpack to more than the limit, or to much together."""

import tracemalloc

import pytest
from aiokafka import TopicPartition

import cohost
from cohost.kafka import fetch_budget, log_reader, unpacking
from cohost.kafka.connection import KafkaConnection
from cohost_schemas import topics
from tests.cohost.fake_services import FakeServices, co_host_left, start_command
from tests.crafted_batches import MEBIBYTE, build_batch, record, record_parts, send_batches, zstd_with_zeros

LIMIT = unpacking.MAX_UNPACKED_BYTES


def oversized(count: int = 1) -> bytes:
    """Return a batch of `count` records beyond the limit."""
    head, tail = record_parts(LIMIT)
    others = b"".join([record(b"", number) for number in range(1, count)])
    return build_batch("zstd", zstd_with_zeros(head, LIMIT, tail + others), count)


async def test_a_stream_skips_an_oversized_batch_with_one_warning(
    kafka: str, client: cohost.Client, service: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    name = KafkaConnection(kafka, service.prefix).topic_name(topics.INVITATION_EVENTS)
    partition = service.partition_for("room")
    batch = oversized(1000)
    await send_batches(kafka, name, partition, [batch])
    await service.publish_outcome("first", "room", co_host_left("room"))
    await send_batches(kafka, name, partition, [batch])
    await service.publish_outcome("second", "room", co_host_left("room"))
    async with client.events(room_id="room", from_="beginning") as events:
        found = [await anext(events), await anext(events)]
    assert [event.envelope.causationid for event in found] == ["first", "second"]
    # The client's reader of outcomes may have met the batches too.
    first, _ = sorted({entry.getMessage() for entry in caplog.records if "skipping" in entry.getMessage()})
    reason = f"the batch of {len(batch)} bytes unpacks to more than {LIMIT} bytes"
    assert first == f"skipping {name}:{partition} from offset 0 to 999: {reason}"


async def test_an_outcome_behind_an_oversized_batch_is_found(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    name = KafkaConnection(kafka, service.prefix).topic_name(topics.INVITATION_EVENTS)
    command_task = start_command(client.leave_stage("room", "bob"))
    command = await service.next_command()
    await send_batches(kafka, name, service.partition_for("room"), [oversized()])
    await service.publish_outcome(command.envelope.id, "room", co_host_left("room"))
    assert (await command_task).data.user_id == "bob"


async def test_polls_take_bounded_memory_however_much_the_batches_unpack_to(
    kafka: str, service: FakeServices
) -> None:
    connection = KafkaConnection(kafka, service.prefix)
    size = 60 * MEBIBYTE
    head, tail = record_parts(size)
    batch = build_batch("zstd", zstd_with_zeros(head, size, tail))
    name = connection.topic_name(topics.INVITATION_COMMANDS)
    partitions = [TopicPartition(name, number) for number in range(2)]
    for _, number in partitions:
        await send_batches(kafka, name, number, [batch] * 6)
    async with connection.open_consumer() as consumer:
        bounds = await log_reader.offset_bounds(consumer, partitions)
        tracemalloc.start()
        try:
            found = [
                sum(len(record.value) for records in fetched.values() for record in records)
                async for fetched in log_reader.poll_partitions(consumer, *bounds)
            ]
            assert tracemalloc.get_traced_memory()[1] < 4 * size
        finally:
            tracemalloc.stop()
    assert max(found) < size + fetch_budget.MAX_POLL_BYTES
    assert sum(found) == 12 * size
