"""Rejections of commands in the wrong partition, or with the wrong key, name the cause."""

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from cohost_schemas.partitions import partition_of, partition_of_bytes
from messaging.inputs.parsing import RecordParser
from tests.messaging import counter_processor

PARSER = RecordParser(counter_processor.TOPOLOGY.inputs, "cohost.", 12)
# Computed with Go's hash/crc32 and hash/fnv, and with @platformatic/kafka's murmur2 in JavaScript.
CRC32, FNV1A, UNSIGNED_MURMUR2, MURMUR2 = 10, 8, 11, 3


def rejection_of(
    *, key: bytes | None, partition: int, subject: str | None = "room-1", **data: Any
) -> tuple[str | None, str]:
    event = {
        "specversion": "1.0",
        "id": "command-1",
        "source": "/tests",
        "type": "cohost.LeaveStage.v1",
        "subject": subject,
        "data": {"roomId": "room-1", "actorId": "bob", **data},
    }
    parsed = PARSER.parse_record(
        ConsumerRecord(
            topic="cohost.invitations.commands",
            partition=partition,
            offset=7,
            timestamp=1,
            timestamp_type=1,
            key=key,
            value=json.dumps(event).encode(),
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=(),
        )
    )
    return parsed.rejection_reason, parsed.detail or ""


def test_the_other_partitioners_put_these_keys_where_their_clients_do() -> None:
    keys = [f"room-{number}".encode() for number in range(1, 9)]
    expected = {
        "librdkafka": [10, 8, 6, 9, 3, 9, 3, 10],
        "sarama": [8, 11, 10, 5, 4, 7, 6, 5],
        "@platformatic/kafka": [11, 8, 3, 7, 10, 5, 0, 7],
    }
    for number, key in enumerate(keys):
        for client, partitions in expected.items():
            partition = partitions[number]
            if partition != partition_of_bytes(key, 12):
                reason, message = rejection_of(key=key, partition=partition, subject=key.decode())
                assert (reason, client in message) == ("wrong_partition", True)


@pytest.mark.parametrize(
    ("partition", "named"),
    [
        (CRC32, ["librdkafka", "consistent_random", "CRC32", "partitioner=murmur2_random"]),
        (FNV1A, ["sarama", "FNV-1a", "WithAbsFirst"]),
        (UNSIGNED_MURMUR2, ["@platformatic/kafka", "compatibilityPartitioner"]),
    ],
)
def test_a_wrong_partition_names_the_partitioner_that_chose_it(partition: int, named: list[str]) -> None:
    reason, message = rejection_of(key=b"room-1", partition=partition)
    assert reason == "wrong_partition"
    place = f"in partition {partition}, but murmur2 of its subject is partition {MURMUR2} of 12."
    assert [word for word in [place, *named] if word not in message] == []


def test_a_partition_that_no_partitioner_chooses_is_explained_in_general() -> None:
    _, message = rejection_of(key=b"room-1", partition=6)
    assert message.endswith("Its producer must choose the partition by murmur2 of the key, as Java's does.")
    assert rejection_of(key=b"room-1", partition=6, subject=None)[0] == "wrong_partition"


@pytest.mark.parametrize("subject", ["room-1", None])
def test_a_key_in_quotes_is_named_wherever_it_lies(subject: str | None) -> None:
    key = b'"room-1"'
    there = partition_of_bytes(key, 12)
    assert there != MURMUR2
    reason, message = rejection_of(key=key, partition=there, subject=subject)
    assert reason == ("invalid_command" if subject is None else "wrong_partition")
    assert "The key is in quotes: write the room's id as plain text, not as JSON." in message
    if subject is not None:
        reason, message = rejection_of(key=key, partition=MURMUR2)
        assert (reason, "in quotes" in message) == ("invalid_command", True)


def test_a_key_that_is_not_the_subject_is_named() -> None:
    other = partition_of("another", 12)
    assert other != MURMUR2
    reason, message = rejection_of(key=b"another", partition=other)
    assert (reason, "key and subject differ" in message) == ("wrong_partition", True)
    reason, message = rejection_of(key=b"another", partition=MURMUR2)
    assert (reason, "key and subject differ" in message) == ("invalid_command", True)


@pytest.mark.parametrize("key", [None, b"k" * 257])
def test_a_missing_key_is_named(key: bytes | None) -> None:
    for partition, expected in ((MURMUR2, "invalid_command"), (4, "wrong_partition")):
        reason, message = rejection_of(key=key, partition=partition)
        assert (reason, "has no key" in message) == (expected, True)


def test_a_missing_subject_is_named() -> None:
    reason, message = rejection_of(key=b"room-1", partition=MURMUR2, subject=None)
    assert (reason, "has no subject" in message) == ("invalid_command", True)
