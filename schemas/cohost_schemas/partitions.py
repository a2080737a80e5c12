"""Kafka's default partitioner: the partition of a key."""

import struct
from functools import lru_cache

from cohost_schemas.envelope import MAX_ID_LENGTH

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return Kafka's 32-bit murmur2 of the bytes, unsigned (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(data)
    hashed = _SEED ^ length
    whole = length & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        word = word * _MULTIPLIER & _MASK  # noqa: PLW2901 - a name less
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK  # noqa: PLW2901
        hashed = (hashed * _MULTIPLIER & _MASK) ^ word
    if length > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    return hashed ^ hashed >> 15


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a text key, encoded as UTF-8, by Kafka's default partitioner."""
    # Longer texts are no ids and would make the cache many times as large.
    partition = _cached_partition_of if len(key) <= MAX_ID_LENGTH else _partition_of
    return partition(key, partitions)


def _partition_of(key: str, partitions: int) -> int:
    return partition_of_bytes(key.encode(), partitions)


_cached_partition_of = lru_cache(maxsize=262_144)(_partition_of)


def partition_of_bytes(key: bytes, partitions: int) -> int:
    """Return the partition of a key by Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
