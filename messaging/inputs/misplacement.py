"""Explain why a command lies in the wrong partition: keys in quotes, and other clients' partitioners."""

import zlib
from collections.abc import Callable

from aiokafka import ConsumerRecord

from cohost_schemas.partitions import murmur2, partition_of, partition_of_bytes

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193
_SIGN_BIT = 0x80000000


def describe_wrong_partition(
    record: ConsumerRecord, key: bytes | None, subject: str | None, partition_count: int
) -> str:
    """Return two sentences: where the command lies and belongs, and the cause.

    `key` and `subject` are None if absent or too long.
    """
    expected = (
        partition_of(subject, partition_count)
        if subject is not None
        else partition_of_bytes(key or b"", partition_count)
    )
    place = (
        f"The command lies in partition {record.partition}, but murmur2 of its "
        f"{'subject' if subject is not None else 'key'} is partition {expected} of {partition_count}."
    )
    return f"{place} {_describe_cause(record.partition, key, subject, partition_count)}"


def describe_key(key: bytes | None, subject: str | None) -> str:
    """Return a sentence that names what is wrong with the key or the subject."""
    if key is None:
        return "The command has no key, or one that is too long: write the room's id as its key."
    if _is_in_quotes(key, subject):
        return "The key is in quotes: write the room's id as plain text, not as JSON."
    if subject is None:
        return "The command has no subject, or one that is too long: write the room's id as its subject."
    return "The command's key and subject differ: write the room's id as both."


def _describe_cause(partition: int, key: bytes | None, subject: str | None, partition_count: int) -> str:
    if key is None or _is_in_quotes(key, subject):
        return describe_key(key, subject)
    if subject is not None and partition_of_bytes(key, partition_count) == partition:
        return describe_key(key, subject)
    return describe_partitioner(partition, key, partition_count)


def describe_partitioner(partition: int, key: bytes, partition_count: int) -> str:
    """Return which other clients' partitioners put the key there, or what its producer must do."""
    causes = [
        f"{name} puts the key there: {remedy}."
        for name, remedy, partitioner in _OTHER_PARTITIONERS
        if partitioner(key, partition_count) == partition
    ]
    return " ".join(causes) or "Its producer must choose the partition by murmur2 of the key, as Java's does."


def _is_in_quotes(key: bytes, subject: str | None) -> bool:
    return key == (b'"%s"' % subject.encode() if subject is not None else b'"%s"' % key[1:-1])


def _partition_by_crc32(key: bytes, partition_count: int) -> int:
    return zlib.crc32(key) % partition_count


def _partition_by_fnv1a(key: bytes, partition_count: int) -> int:
    hashed = _FNV_OFFSET
    for byte in key:
        hashed = (hashed ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    # sarama takes the signed remainder first, and its absolute value then.
    return (hashed if hashed < _SIGN_BIT else 2 * _SIGN_BIT - hashed) % partition_count


def _partition_by_unsigned_murmur2(key: bytes, partition_count: int) -> int:
    return murmur2(key) % partition_count


_OTHER_PARTITIONERS: tuple[tuple[str, str, Callable[[bytes, int], int]], ...] = (
    (
        "The default partitioner of librdkafka (consistent_random, CRC32)",
        "set partitioner=murmur2_random",
        _partition_by_crc32,
    ),
    (
        "The default partitioner of sarama (hash, FNV-1a)",
        "give it a partitioner with murmur2 as its hash function and WithAbsFirst",
        _partition_by_fnv1a,
    ),
    (
        "The default partitioner of @platformatic/kafka (murmur2 with its sign bit)",
        "set partitioner to its compatibilityPartitioner",
        _partition_by_unsigned_murmur2,
    ),
)
