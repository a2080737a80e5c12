"""Batches that unpack to more than the contract's limit, on a real broker."""

import cramjam
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from cohost.kafka import unpacking
from cohost_schemas import topics
from tests.crafted_batches import (
    COMPRESSORS,
    MEBIBYTE,
    build_batch,
    record,
    record_parts,
    send_batch,
    send_batches,
    zstd_of_one_record,
    zstd_with_zeros,
)
from tests.messaging.lane_inputs import COMMANDS, LANE, ROOM, leave_command
from tests.messaging.pipeline_in_process import create_topic, fetch_rows, read_topic, running_pipeline
from tests.messaging.worker_fleet import WorkerFleet, command_record

LIMIT = unpacking.MAX_UNPACKED_BYTES
KEY = ROOM.encode()
DEAD_LETTER_HEADERS = (
    "dead-letter-reason",
    "dead-letter-topic",
    "dead-letter-partition",
    "dead-letter-offset",
    "dead-letter-time",
    "sequence",
)


async def dead_letters(fleet: WorkerFleet) -> list[ConsumerRecord]:
    return await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)


@pytest.mark.parametrize("codec", COMPRESSORS)
async def test_a_batch_beyond_the_limit_becomes_one_dead_letter_per_offset(
    fleet: WorkerFleet, kafka: str, codec: str
) -> None:
    name = COMMANDS.full_name(fleet.config.prefix)
    kind, compress = COMPRESSORS[codec]
    # Snappy needs a byte for every 21 zeros.
    await create_topic(fleet.config, COMMANDS, "max.message.bytes", str(4 * MEBIBYTE))
    records = record(bytes(LIMIT), key=KEY) + record(b"x", 1, KEY)
    batch = build_batch(kind, compress(records), 2)
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(10)
        await send_batches(kafka, name, LANE, [batch])
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await dead_letters(fleet)
    assert [(letter.key, letter.value) for letter in letters] == [(None, b"")] * 2
    offset = int(dict(letters[0].headers)["dead-letter-offset"])
    for delta, letter in enumerate(letters):
        headers = dict(letter.headers)
        assert headers.items() >= {
            ("dead-letter-reason", b"not_a_cloud_event"),
            ("dead-letter-topic", name.encode()),
            ("dead-letter-partition", b"%d" % LANE),
            ("dead-letter-offset", b"%d" % (offset + delta)),
            ("sequence", b"%d" % (delta + 1)),
            ("dead-letter-truncated", b"%d" % len(batch)),
        }
        assert headers.keys() - {"x-original-topic"} == {*DEAD_LETTER_HEADERS, "dead-letter-truncated"}
    assert (await fleet.run_audit()).violations == []


@pytest.mark.parametrize("topic", [topics.ROOMS, topics.USERS])
async def test_a_facts_batch_beyond_the_limit_is_a_dead_letter_and_stops_no_lane(
    fleet: WorkerFleet, kafka: str, topic: topics.Topic
) -> None:
    async with running_pipeline(fleet.config):
        await send_batches(
            kafka, topic.full_name(fleet.config.prefix), LANE, [zstd_of_one_record(LIMIT + 1, KEY)] * 2
        )
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await dead_letters(fleet)
    assert [dict(letter.headers)["dead-letter-offset"] for letter in letters] == [b"0", b"1"]
    assert (await fleet.run_audit()).violations == []


async def test_the_commands_of_a_batch_within_the_limit_are_decided(fleet: WorkerFleet, kafka: str) -> None:
    identifiers, records = [], b""
    size = LIMIT // 60 - 1000
    for number in range(60):
        identifier, data = leave_command()
        identifiers.append(identifier)
        records += record(command_record(identifier, data) + b" " * size, number, KEY)
    batch = build_batch("zstd", bytes(cramjam.zstd.compress(records)), 60)
    async with running_pipeline(fleet.config):
        await send_batches(kafka, COMMANDS.full_name(fleet.config.prefix), LANE, [batch])
        fleet.sent_ids += identifiers
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    assert await dead_letters(fleet) == []
    assert (await fleet.run_audit()).violations == []


async def test_a_batch_of_very_many_offsets_is_dead_lettered_in_parts(fleet: WorkerFleet, kafka: str) -> None:
    count = 12_000
    head, tail = record_parts(LIMIT, key=KEY)
    tail += b"".join([record(b"", number, KEY) for number in range(1, count)])
    # A block of the frame has at most 128 KiB.
    batch = build_batch("zstd", zstd_with_zeros(head, LIMIT, b"") + bytes(cramjam.zstd.compress(tail)), count)
    async with running_pipeline(fleet.config):
        await send_batches(kafka, COMMANDS.full_name(fleet.config.prefix), LANE, [batch])
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await dead_letters(fleet)
    assert [int(dict(letter.headers)["sequence"]) for letter in letters] == list(range(1, count + 1))
    (lane,) = await fetch_rows(fleet.config, "SELECT last_batch_number FROM lanes WHERE lane = $1", LANE)
    assert lane["last_batch_number"] >= count // fleet.config.max_records
    assert (await fleet.run_audit()).violations == []


async def test_an_oversized_batch_of_an_aborted_transaction_never_happened(
    fleet: WorkerFleet, kafka: str
) -> None:
    name = COMMANDS.full_name(fleet.config.prefix)
    async with (
        running_pipeline(fleet.config),
        AIOKafkaProducer(
            bootstrap_servers=kafka, transactional_id=f"{fleet.config.prefix}writer"
        ) as producer,
    ):
        await producer.begin_transaction()
        await send_batch(producer, name, LANE, zstd_of_one_record(LIMIT + 1, KEY))
        await producer.abort_transaction()
        await producer.begin_transaction()
        await send_batch(producer, name, LANE, zstd_of_one_record(LIMIT + 2, KEY))
        await producer.commit_transaction()
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await dead_letters(fleet)
    # Offset 0 was aborted, and offset 1 is its marker.
    assert [dict(letter.headers)["dead-letter-offset"] for letter in letters] == [b"2"]
    assert (await fleet.run_audit()).violations == []
