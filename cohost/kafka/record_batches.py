"""Read record batches that the broker accepted but aiokafka cannot read.

aiokafka's consumer raises on them, on every attempt: on header names that are not UTF-8, and on bytes behind
the end of compressed data, which brokers ignore. The reader here replaces invalid bytes of a name by U+FFFD
and ignores bytes behind the end. Records that it cannot read become empty records, which are dead letters.

It can go once aiokafka's own readers do the same: today a `UnicodeDecodeError` or a codec's error comes out
of the fetcher, which fetches the same batch again without end.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Self

from aiokafka.codec import lz4_decode
from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records
from aiokafka.record.default_records import _DefaultRecordPy

_GZIP_MAGIC = b"\x1f\x8b"
_LZ4_HEADER = 7
_LZ4_CONTENT_SIZE, _LZ4_DICTIONARY, _LZ4_BLOCK_SUMS, _LZ4_CONTENT_SUM = 0x08, 0x01, 0x10, 0x04
_LZ4_UNCOMPRESSED = 0x80000000


def install_lenient_reader() -> None:
    """Make every aiokafka consumer of this process read such batches, by replacing aiokafka's reader."""
    fetcher.MemoryRecords = _LenientRecords


class _LenientRecords(memory_records._MemoryRecordsPy):  # type: ignore[misc]  # noqa: SLF001 - aiokafka has no hook here
    """aiokafka's splitter of a fetched buffer into batches, which also keeps each batch's bytes."""

    def next_batch(self, *options: Any) -> "_FallbackBatch | None":
        raw = self._next_slice
        batch = super().next_batch(*options)
        return None if batch is None else _FallbackBatch(batch, raw)


class _FallbackBatch:
    """A batch read by aiokafka's fast reader, and by the lenient reader from where the fast one fails."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw
        self._next_offset = batch.base_offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._remaining_records(self._batch)
        except Exception:  # noqa: BLE001 - readers and codecs raise errors of many types
            try:
                yield from self._remaining_records(_LenientBatch(self._raw))
            except Exception:  # noqa: BLE001 - as above
                yield from self._placeholder_records()

    def _remaining_records(self, reader: Any) -> Iterator[Any]:
        for record in reader:
            if record.offset >= self._next_offset:
                self._next_offset = record.offset + 1
                yield record

    def _placeholder_records(self) -> Iterator[Any]:
        """Yield a record without key, value and headers for each remaining offset."""
        batch = self._batch
        for offset in range(self._next_offset, batch.next_offset):
            yield _DefaultRecordPy(offset, batch.max_timestamp, batch.timestamp_type, None, None, [])


class _LenientBatch(default_records._DefaultRecordBatchPy):  # type: ignore[misc]  # noqa: SLF001 - as above
    _buffer: bytearray
    _pos: int

    def __iter__(self) -> Self:
        decode = _DECODERS.get(self.compression_type)
        if decode is None:
            super().__iter__()
        else:
            self._buffer, self._pos = bytearray(decode(bytes(self._buffer[self._pos :]))), 0
        self._buffer = _LenientBytes(self._buffer)
        return self


class _LenientBytes(bytearray):
    """Bytes whose slices decode without errors: invalid UTF-8 is replaced by U+FFFD."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _LenientBytes(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


def _decompress_gzip(data: bytes) -> bytes:
    """Decompress gzip members until the next bytes do not start a member."""
    found = []
    while data.startswith(_GZIP_MAGIC):
        member = zlib.decompressobj(wbits=31)
        found.append(member.decompress(data))
        if not member.eof:
            raise EOFError
        data = member.unused_data
    return b"".join(found)


def _decompress_lz4(data: bytes) -> bytes:
    return bytes(lz4_decode(data[: _lz4_frame_end(data)]))


def _lz4_frame_end(data: bytes) -> int:
    """Return the end of a frame, by LZ4's frame format 1.6: header, blocks with lengths, end mark."""
    flags = data[4]
    position = _LZ4_HEADER + 8 * bool(flags & _LZ4_CONTENT_SIZE) + 4 * bool(flags & _LZ4_DICTIONARY)
    while length := struct.unpack_from("<I", data, position)[0]:
        position += 4 + (length & ~_LZ4_UNCOMPRESSED) + 4 * bool(flags & _LZ4_BLOCK_SUMS)
    return int(position + 4 + 4 * bool(flags & _LZ4_CONTENT_SUM))


_DECODERS: dict[int, Callable[[bytes], bytes]] = {
    default_records.DefaultRecordBase.CODEC_GZIP: _decompress_gzip,
    default_records.DefaultRecordBase.CODEC_LZ4: _decompress_lz4,
}
