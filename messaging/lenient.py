"""Record batches whose header names are not UTF-8.

aiokafka raises inside its fetcher there and would fetch the same batch again for ever. Here such a name is
read with U+FFFD in it, and the record goes the way of every other.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records


def install() -> None:
    """Make every aiokafka consumer of this process read such batches."""
    fetcher.MemoryRecords = _Records


class _Records(memory_records._MemoryRecordsPy):  # type: ignore[misc]  # noqa: SLF001 - aiokafka has no hook here
    """aiokafka's own cutting of a fetched buffer into batches, which keeps hold of each batch's bytes."""

    def next_batch(self, *options: Any) -> "_Batch | None":
        raw = self._next_slice
        batch = super().next_batch(*options)
        return None if batch is None else _Batch(batch, raw)


class _Batch:
    """A batch that is read by aiokafka's fast reader, and by the lenient one from where that one gives up."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except UnicodeDecodeError:
            yield from islice(_LenientBatch(self._raw), read, None)


class _LenientBatch(default_records._DefaultRecordBatchPy):  # type: ignore[misc]  # noqa: SLF001 - as above
    _buffer: bytearray

    def __iter__(self) -> Self:
        super().__iter__()
        self._buffer = _LenientBytes(self._buffer)
        return self


class _LenientBytes(bytearray):
    """Bytes whose pieces are decoded whatever they hold."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _LenientBytes(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)
