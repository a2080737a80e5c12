"""Record batches written byte by byte: small ones that unpack to anything, and ones with wrong sizes."""

import gzip
import struct
from collections.abc import Callable, Sequence

import cramjam
from aiokafka import AIOKafkaProducer, codec
from aiokafka.record import util

MEBIBYTE = 1024 * 1024
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_ATTRIBUTES_OFFSET, _PRODUCER_STATE_OFFSET = 21, 43
_TRANSACTIONAL, _PRODUCER_STATE = struct.Struct(">h"), struct.Struct(">qhi")
_HEADER = struct.Struct(">hiqqqhii")
_ZSTD_BLOCK_BYTES = 128 * 1024
_ZSTD_WINDOW_LOG = 17
_GZIP_MEMBER_BYTES = MEBIBYTE
_XERIAL_BLOCK_BYTES = MEBIBYTE


def build_batch(  # noqa: PLR0913 - the fields of a batch
    kind: str,
    records: bytes,
    count: int = 1,
    *,
    stated_count: int | None = None,
    attributes: int = 0,
    base_offset: int = 0,
) -> bytes:
    """Return a batch of `count` offsets; `records` are already compressed."""
    stated = count if stated_count is None else stated_count
    body = _HEADER.pack(CODECS[kind] | attributes, count - 1, 1000, 1000, -1, -1, -1, stated) + records
    return struct.pack(">qiibI", base_offset, 9 + len(body), -1, 2, util.calc_crc32c(body)) + body


def varint(number: int) -> bytes:
    """Return a number as the records of a batch encode it."""
    encoded = bytearray()
    util.encode_varint(number, encoded.append)
    return bytes(encoded)


def record_parts(value_size: int, delta: int = 0, key: bytes | None = b"key") -> tuple[bytes, bytes]:
    """Return what stands in a record before and after a value of `value_size` bytes."""
    encoded_key = varint(-1) if key is None else varint(len(key)) + key
    head = b"\0\0" + varint(delta) + encoded_key + varint(value_size)
    tail = varint(0)
    return varint(len(head) + value_size + len(tail)) + head, tail


def record(value: bytes, delta: int = 0, key: bytes | None = b"key") -> bytes:
    """Return a record as it stands in an uncompressed batch."""
    head, tail = record_parts(len(value), delta, key)
    return head + value + tail


def zstd_with_zeros(head: bytes, zeros: int, tail: bytes, content_size: int | None = None) -> bytes:
    """Return a zstd frame of `head`, many zeros and `tail`, which states a content size if one is given."""
    blocks = [(head, 0, len(head))]
    blocks += [(b"\0", 1, _ZSTD_BLOCK_BYTES)] * (zeros // _ZSTD_BLOCK_BYTES)
    blocks += [(b"\0", 1, zeros % _ZSTD_BLOCK_BYTES), (tail, 0, len(tail))]
    frame = bytearray(b"\x28\xb5\x2f\xfd")
    frame += bytes((0 if content_size is None else 0xC0, (_ZSTD_WINDOW_LOG - 10) << 3))
    frame += b"" if content_size is None else struct.pack("<Q", content_size)
    for number, (data, kind, size) in enumerate(blocks, 1):
        frame += (size << 3 | kind << 1 | (number == len(blocks))).to_bytes(3, "little") + data
    return bytes(frame)


def zstd_of_one_record(value_size: int, key: bytes | None = b"key") -> bytes:
    """Return a compressed batch of one record whose value is this number of zeros: 46 kB for 1.5 GB."""
    head, tail = record_parts(value_size, key=key)
    return build_batch("zstd", zstd_with_zeros(head, value_size, tail))


def gzip_members(data: bytes) -> bytes:
    """Return the data as several gzip members."""
    parts = range(0, len(data), _GZIP_MEMBER_BYTES)
    return b"".join(gzip.compress(data[start : start + _GZIP_MEMBER_BYTES], 1) for start in parts)


def xerial_blocks(data: bytes) -> bytes:
    """Return the data as a xerial stream of snappy blocks."""
    stream = bytearray(b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1))
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES]))
        stream += struct.pack(">i", len(block)) + block
    return bytes(stream)


COMPRESSORS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", lambda data: gzip.compress(data, 1)),
    "gzip of several members": ("gzip", gzip_members),
    "raw snappy": ("snappy", lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "xerial snappy": ("snappy", xerial_blocks),
    "lz4": ("lz4", codec.lz4_encode),
    "zstd": ("zstd", lambda data: bytes(cramjam.zstd.compress(data))),
}
"""The codec of a batch and the function that compresses its records, by a name for the test."""


async def send_batch(producer: AIOKafkaProducer, topic: str, partition: int, batch: bytes) -> None:
    """Write a batch as it is, except for the fields that a transactional producer sets."""
    buffer = bytearray(batch)

    def set_producer_state(*state: int) -> None:
        _TRANSACTIONAL.pack_into(buffer, _ATTRIBUTES_OFFSET, batch[_ATTRIBUTES_OFFSET + 1] | 0x10)
        _PRODUCER_STATE.pack_into(buffer, _PRODUCER_STATE_OFFSET, *state)
        struct.pack_into(">I", buffer, _ATTRIBUTES_OFFSET - 4, util.calc_crc32c(buffer[_ATTRIBUTES_OFFSET:]))

    builder = producer.create_batch()
    builder.append(key=b"", value=b"", timestamp=None)
    builder.close()
    # No public API sends such batches.
    builder._set_producer_state = set_producer_state  # noqa: SLF001 - as above
    builder._buffer = buffer  # noqa: SLF001 - as above
    await (await producer.send_batch(builder, topic, partition=partition))


async def send_batches(kafka: str, topic: str, partition: int, batches: Sequence[bytes]) -> None:
    """Write batches as they are, in order."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        for batch in batches:
            await send_batch(producer, topic, partition, batch)
