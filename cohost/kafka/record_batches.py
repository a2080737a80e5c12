"""Read record batches that the broker accepted but aiokafka cannot read, or not safely.

aiokafka's consumer raises on header names that are not UTF-8 and on bytes behind the end of compressed data,
which brokers ignore, and then fetches the same batch again without end. And it unpacks a batch of 46 kB to
1.5 GB. The reader here replaces invalid bytes of a name by U+FFFD and ignores bytes behind the end; records
that it cannot read become empty records, and those of a batch that unpacks to too much `OversizedRecord`s.

The first half can go once aiokafka's own readers do the same, the second once they have a limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.record import default_records, memory_records
from aiokafka.record.default_records import _DefaultRecordPy
from aiokafka.record.util import decode_varint_py

from cohost.kafka import fetch_budget, unpacking
from cohost.kafka.unpacking import UnpackedTooLarge

# A step in Python for each record takes longer than aiokafka's compiled reader.
_CHUNK_RECORDS = 100


@dataclass
class OversizedRecord(ConsumerRecord):  # type: ignore[misc]
    """An offset of a batch that unpacks to too much. It has no key and no headers, and an empty value.

    `batch_bytes` is the size of the batch in the log, `next_offset` the offset after the batch.
    """

    batch_bytes: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class OversizedOffset:
    """An offset of a batch that unpacks to too much, where aiokafka's batches have a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    batch_bytes: int
    next_offset: int


class BoundedRecords(memory_records._MemoryRecordsPy):  # type: ignore[misc]  # noqa: SLF001 - aiokafka has no hook here
    """aiokafka's splitter of a fetched buffer into batches, which also keeps each batch's bytes.

    Offsets before `first_offset` may be left out.
    """

    first_offset = 0

    def next_batch(self, *options: Any) -> "_BoundedBatch | None":
        """Return the next batch, None behind the last one."""
        raw = self._next_slice
        batch = super().next_batch(*options)
        return None if batch is None else _BoundedBatch(batch, raw, self.first_offset)


class _BoundedBatch:
    """A batch read by aiokafka's fast reader, and by the lenient reader from where the fast one fails."""

    def __init__(self, batch: Any, raw: memoryview, first_offset: int) -> None:
        self._batch = batch
        self._raw: bytes | memoryview = raw
        self._next_offset = max(batch.base_offset, first_offset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._read_chunks())

    def _read_chunks(self) -> Iterator[list[Any]]:
        batch, raw = self._batch, self._raw
        try:
            if batch.compression_type:
                raw = self._unpack()
                batch = default_records.DefaultRecordBatch(raw)
            try:
                yield from self._remaining_chunks(batch, _CHUNK_RECORDS)
            except Exception:  # noqa: BLE001 - readers raise errors of many types
                # One by one, so that none is lost before the one that cannot be read at all.
                yield from self._remaining_chunks(_LenientBatch(raw), 1)
        except UnpackedTooLarge:
            for offset in self._remaining_offsets():
                yield [
                    OversizedOffset(
                        offset, batch.max_timestamp, batch.timestamp_type, len(self._raw), batch.next_offset
                    )
                ]
        except MemoryError:
            # The records may be sound, and can be read once there is memory again.
            raise
        except Exception:  # noqa: BLE001 - as above, and codecs too
            for offset in self._remaining_offsets():
                yield [_DefaultRecordPy(offset, batch.max_timestamp, batch.timestamp_type, None, None, [])]

    def _unpack(self) -> bytes:
        unpacked_bytes = unpacking.MAX_UNPACKED_BYTES
        try:
            unpacked = unpacking.unpack_batch(self._raw)
            unpacked_bytes = len(unpacked)
            return unpacked
        finally:
            # Charged whatever it leads to, because no other task runs in the meantime.
            fetch_budget.spend(unpacked_bytes)

    def _remaining_chunks(self, reader: Any, size: int) -> Iterator[list[Any]]:
        # After its end, aiokafka's reader would begin again; a chain does not ask it twice.
        records = chain(reader)
        while chunk := list(islice(records, size)):
            if chunk[0].offset < self._next_offset:
                chunk = [record for record in chunk if record.offset >= self._next_offset]
            if chunk:
                self._next_offset = chunk[-1].offset + 1
                yield chunk

    def _remaining_offsets(self) -> range:
        return range(self._next_offset, self._batch.next_offset)


class _LenientBatch(default_records._DefaultRecordBatchPy):  # type: ignore[misc]  # noqa: SLF001 - as above
    """aiokafka's slow reader of an uncompressed batch, with lenient header names."""

    def __init__(self, raw: bytes | memoryview) -> None:
        super().__init__(raw[: unpacking.HEADER_BYTES])
        self._buffer = _LenientBytes(raw)

    def _read_msg(self) -> _DefaultRecordPy:
        # aiokafka's compiled decoder reads beyond the buffer, and crashes, behind a length that is wrong.
        return super()._read_msg(decode_varint_py)


class _LenientBytes(bytearray):
    """Bytes whose slices decode without errors: invalid UTF-8 is replaced by U+FFFD."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _LenientBytes(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)
