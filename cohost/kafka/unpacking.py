"""Unpack compressed record batches without ever taking more memory than the limit.

Every codec stops while it unpacks: the sizes that compressed data gives of itself may be absent or wrong.
"""

import contextlib
import mmap
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka.record.default_records import DefaultRecordBase

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Largest size of a batch's records, uncompressed, by the contract."""

HEADER_BYTES = DefaultRecordBase.HEADER_STRUCT.size
"""Size of a batch's header, which is never compressed."""

_SMALL_BATCH_BYTES = 8 * 1024
_SMALL_UNPACKED_BYTES = 64 * 1024

_ATTRIBUTES = struct.Struct(">h")
_GZIP_MAGIC = b"\x1f\x8b"
# Small, because each member of many copies what is left of the chunk.
_GZIP_CHUNK_BYTES = 16 * 1024
_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER_BYTES = 16
_LZ4_HEADER_BYTES = 7
_LZ4_CONTENT_SIZE, _LZ4_DICTIONARY, _LZ4_BLOCK_SUMS, _LZ4_CONTENT_SUM = 0x08, 0x01, 0x10, 0x04
_LZ4_UNCOMPRESSED = 0x80000000
_OUTPUT_IS_FULL = "failed to write whole buffer"


class UnpackedTooLarge(Exception):
    """The batch unpacks to more than `MAX_UNPACKED_BYTES`."""


def unpack_batch(batch: bytes | memoryview) -> bytes:
    """Return a compressed batch as an uncompressed one with the same header, apart from length and checksum.

    Raises `UnpackedTooLarge`, or another error if the compressed data is invalid.
    """
    if len(batch) <= _SMALL_BATCH_BYTES:
        # Mapping and unmapping memory takes longer than unpacking a few records.
        with contextlib.suppress(UnpackedTooLarge):
            return _unpack_to(bytearray(HEADER_BYTES + _SMALL_UNPACKED_BYTES), batch)
    # Anonymous memory, because only the pages that are written take memory.
    with mmap.mmap(-1, HEADER_BYTES + MAX_UNPACKED_BYTES, access=mmap.ACCESS_COPY) as unpacked:
        return _unpack_to(unpacked, batch)


def _unpack_to(unpacked: bytearray | mmap.mmap, batch: bytes | memoryview) -> bytes:
    """Unpack a batch to this memory, and return what it takes of it."""
    (attributes,) = _ATTRIBUTES.unpack_from(batch, DefaultRecordBase.ATTRIBUTES_OFFSET)
    unpack = _UNPACKERS[attributes & DefaultRecordBase.CODEC_MASK]
    unpacked[:HEADER_BYTES] = bytes(batch[:HEADER_BYTES])
    _ATTRIBUTES.pack_into(
        unpacked, DefaultRecordBase.ATTRIBUTES_OFFSET, attributes & ~DefaultRecordBase.CODEC_MASK
    )
    with memoryview(unpacked) as view, view[HEADER_BYTES:] as output:
        size = unpack(bytes(batch[HEADER_BYTES:]), output)
    return bytes(unpacked[: HEADER_BYTES + size])


def _unpack_gzip(data: bytes, output: memoryview) -> int:
    """Unpack gzip members until the next bytes do not start a member."""
    position = size = 0
    while data.startswith(_GZIP_MAGIC, position):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            chunk = data[position : position + _GZIP_CHUNK_BYTES]
            if not chunk:
                raise EOFError
            found = member.decompress(chunk, len(output) - size + 1)
            if len(found) > len(output) - size:
                raise UnpackedTooLarge
            output[size : size + len(found)] = found
            size += len(found)
            position += len(chunk) - len(member.unused_data)
    return size


def _unpack_snappy(data: bytes, output: memoryview) -> int:
    """Unpack one block, or the blocks of a xerial stream, each of which has its length before it."""
    if not data.startswith(_XERIAL_MAGIC):
        return _unpack_snappy_block(data, output)
    position, size = _XERIAL_HEADER_BYTES, 0
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        block = data[position + 4 : position + 4 + length]
        if len(block) != length:
            raise EOFError
        with output[size:] as remaining:
            size += _unpack_snappy_block(block, remaining)
        position += 4 + length
    return size


def _unpack_snappy_block(block: bytes, output: memoryview) -> int:
    # The decoder fails if a block does not have exactly the size that it gives, but takes the memory first.
    if cramjam.snappy.decompress_raw_len(block) > len(output):
        raise UnpackedTooLarge
    return cramjam.snappy.decompress_raw_into(block, output)


def _unpack_lz4(data: bytes, output: memoryview) -> int:
    """Unpack one frame; brokers ignore bytes behind its end."""
    return _unpack_into(cramjam.lz4.decompress_into, data[: _lz4_frame_end(data)], output)


def _lz4_frame_end(data: bytes) -> int:
    """Return the end of a frame, by LZ4's frame format 1.6: header, blocks with lengths, end mark."""
    flags = data[4]
    position = _LZ4_HEADER_BYTES + 8 * bool(flags & _LZ4_CONTENT_SIZE) + 4 * bool(flags & _LZ4_DICTIONARY)
    while length := struct.unpack_from("<I", data, position)[0]:
        position += 4 + (length & ~_LZ4_UNCOMPRESSED) + 4 * bool(flags & _LZ4_BLOCK_SUMS)
    return int(position + 4 + 4 * bool(flags & _LZ4_CONTENT_SUM))


def _unpack_zstd(data: bytes, output: memoryview) -> int:
    return _unpack_into(cramjam.zstd.decompress_into, data, output)


def _unpack_into(decompress_into: Callable[..., int], data: bytes, output: Any) -> int:
    try:
        return decompress_into(data, output)
    except cramjam.DecompressionError as error:
        if _OUTPUT_IS_FULL in str(error):
            raise UnpackedTooLarge from error
        raise


_UNPACKERS: dict[int, Callable[[bytes, memoryview], int]] = {
    DefaultRecordBase.CODEC_GZIP: _unpack_gzip,
    DefaultRecordBase.CODEC_SNAPPY: _unpack_snappy,
    DefaultRecordBase.CODEC_LZ4: _unpack_lz4,
    DefaultRecordBase.CODEC_ZSTD: _unpack_zstd,
}
