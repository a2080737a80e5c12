"""Kafka's default partitioner, with the vectors of Kafka's own tests (UtilsTest.testMurmur2)."""

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from cohost_schemas import partitions

VECTORS = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), VECTORS.items())
def test_murmur2_is_kafkas(key: str, signed: int) -> None:
    assert partitions.murmur2(key.encode()) == signed % 2**32


@given(st.binary(max_size=100))
def test_murmur2_is_aiokafkas(key: bytes) -> None:
    assert partitions.murmur2(key) == aiokafka_murmur2(key) % 2**32


@pytest.mark.parametrize(("key", "signed"), VECTORS.items())
def test_a_partition_is_the_positive_hash_by_their_number(key: str, signed: int) -> None:
    assert partitions.partition_of(key, 12) == (signed & 0x7FFFFFFF) % 12
    assert partitions.partition_of_bytes(key.encode(), 12) == partitions.partition_of(key, 12)


def test_a_key_is_hashed_as_utf_8() -> None:
    assert partitions.partition_of("Bühne", 12) == partitions.partition_of_bytes("Bühne".encode(), 12)


def test_no_partition_of_a_key_that_is_no_id_is_remembered() -> None:
    before = partitions._cached_partition_of.cache_info().currsize  # noqa: SLF001 - its size is the claim
    assert partitions.partition_of("x" * 65, 12) == partitions.partition_of_bytes(b"x" * 65, 12)
    assert partitions._cached_partition_of.cache_info().currsize == before  # noqa: SLF001 - as above
