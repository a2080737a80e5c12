"""Batches that unpack to more than the limit, or that give wrong sizes of themselves."""

import gzip
import struct
import time
import tracemalloc
from typing import Any

import cramjam
import pytest

from cohost.kafka import record_batches, unpacking
from cohost.kafka.record_batches import OversizedOffset
from tests import crafted_batches
from tests.crafted_batches import COMPRESSORS, MEBIBYTE, build_batch, record, record_parts, zstd_with_zeros

LIMIT = unpacking.MAX_UNPACKED_BYTES


def read(raw: bytes, first_offset: int = 0) -> list[Any]:
    records = record_batches.BoundedRecords(raw)
    records.first_offset = first_offset
    return list(records.next_batch() or ())


def zeros(size: int, count: int = 1) -> bytes:
    """Return `count` records that have `size` bytes together."""
    overhead = sum(map(len, record_parts(size)))
    rest = [record(b"", number) for number in range(1, count)]
    return record(bytes(size - overhead - sum(map(len, rest)))) + b"".join(rest)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_batch_of_exactly_the_limit_is_read(name: str) -> None:
    codec, compress = COMPRESSORS[name]
    (found,) = read(build_batch(codec, compress(zeros(LIMIT))))
    assert (found.offset, found.key, len(found.value)) == (0, b"key", LIMIT - 16)


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("more", [-1, 0, 1, 5000])
def test_a_small_batch_may_unpack_to_more_than_is_kept_for_small_ones(name: str, more: int) -> None:
    codec, compress = COMPRESSORS[name]
    plain = zeros(unpacking._SMALL_UNPACKED_BYTES + more, count=3)  # noqa: SLF001 - the size where memory changes
    batch = build_batch(codec, compress(plain), 3)
    assert len(batch) < unpacking._SMALL_BATCH_BYTES  # noqa: SLF001 - as above
    assert unpacking.unpack_batch(batch)[unpacking.HEADER_BYTES :] == plain


@pytest.mark.parametrize("name", COMPRESSORS)
def test_each_offset_of_a_batch_beyond_the_limit_is_oversized(name: str) -> None:
    codec, compress = COMPRESSORS[name]
    batch = build_batch(codec, compress(zeros(LIMIT + 1, count=3)), 3, base_offset=7)
    assert read(batch) == [OversizedOffset(offset, 1000, 0, len(batch), 10) for offset in (7, 8, 9)]


@pytest.mark.parametrize("name", COMPRESSORS)
def test_unpacking_stops_at_the_limit(name: str) -> None:
    codec, compress = COMPRESSORS[name]
    batch = build_batch(codec, compress(bytes(250 * MEBIBYTE)))
    tracemalloc.start()
    try:
        assert isinstance(read(batch)[0], OversizedOffset)
        assert tracemalloc.get_traced_memory()[1] < 2 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stated", [None, 0, 1, 1500 * MEBIBYTE])
def test_the_content_size_of_a_zstd_frame_is_not_trusted(stated: int | None) -> None:
    started = time.thread_time()
    head, tail = record_parts(1500 * MEBIBYTE)
    batch = build_batch("zstd", zstd_with_zeros(head, 1500 * MEBIBYTE, tail, stated))
    assert len(batch) < 50_000
    (found,) = read(batch)
    assert found.offset == 0
    assert not found.value if stated in (0, 1) else isinstance(found, OversizedOffset)
    assert time.thread_time() - started < 5


@pytest.mark.parametrize("frame", ["raw", "xerial"])
def test_the_size_of_a_snappy_block_is_not_trusted(frame: str) -> None:
    block = b"\xff\xff\xff\xff\x0f" + bytes(cramjam.snappy.compress_raw(record(b"value")))[1:]
    if frame == "xerial":
        block = b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block
    batch = build_batch("snappy", block)
    assert read(batch) == [OversizedOffset(0, 1000, 0, len(batch), 1)]


@pytest.mark.parametrize("length", [-4, 0, 2**31 - 1])
def test_the_length_of_a_xerial_block_is_not_trusted(length: int) -> None:
    stream = crafted_batches.xerial_blocks(record(b"value"))
    (found,) = read(build_batch("snappy", stream[:16] + struct.pack(">i", length) + stream[20:]))
    assert (found.offset, found.key, found.value) == (0, None, None)


@pytest.mark.parametrize("stated", [-1, 0, 2, 2**31 - 1])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_wrong_count_of_records_loses_no_offset(codec: str, stated: int) -> None:
    records = b"".join(record(b"value", number) for number in range(3))
    data = records if codec == "none" else bytes(cramjam.zstd.compress(records))
    found = read(build_batch(codec, data, 3, stated_count=stated))
    assert [each.offset for each in found] == [0, 1, 2]


@pytest.mark.parametrize("size", [-(2**31), 2**31 - 1, 2**62, 2**63 - 1])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_wrong_length_within_a_record_loses_no_offset(codec: str, size: int) -> None:
    number = crafted_batches.varint(size)
    wrong_key = crafted_batches.varint(20) + b"\0\0\2" + number + b"key"
    wrong_value = crafted_batches.varint(20) + b"\0\0\2" + crafted_batches.varint(1) + b"k" + number + b"v"
    wrong_header = crafted_batches.varint(20) + b"\0\0\2\1\1" + crafted_batches.varint(1) + number + b"h"
    for wrong in (number, wrong_key, wrong_value, wrong_header):
        records = record(b"value") + wrong + bytes(64)
        data = records if codec == "none" else bytes(cramjam.zstd.compress(records))
        found = read(build_batch(codec, data, 2))
        assert [(each.offset, each.value) for each in found] == [(0, b"value"), (1, None)]


def test_offsets_before_the_position_of_an_oversized_batch_are_left_out() -> None:
    count = 2**31 - 1
    batch = build_batch("zstd", bytes(cramjam.zstd.compress(bytes(LIMIT + 1))), count)
    started = time.thread_time()
    assert [each.offset for each in read(batch, count - 2)] == [count - 2, count - 1]
    assert time.thread_time() - started < 2


def test_many_small_gzip_members_are_read_quickly() -> None:
    records = record(b"value")
    members = [gzip.compress(part, 1) for part in (records[:5], *[b""] * 40_000, records[5:])]
    started = time.thread_time()
    (found,) = read(build_batch("gzip", b"".join(members)))
    assert found.value == b"value"
    assert time.thread_time() - started < 5
