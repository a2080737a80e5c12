"""The outbox table: records that are decided but not confirmed as published, one row per lane and batch."""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from messaging.database import Connection

# A list, because aiokafka accepts no other sequence.
Headers = list[tuple[str, bytes | None]]

_NULL_LENGTH = -1


class EncodedRecord(NamedTuple):
    """A record to publish: the index of its output in the topology, its sequence, and the Kafka record."""

    output: int
    sequence: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def estimated_size(self) -> int:
        """Return the approximate number of bytes that the record takes in a Kafka batch."""
        size = len(self.key or b"") + len(self.value or b"") + 70
        for name, value in self.headers:
            size += len(name.encode()) + len(value or b"") + 10
        return size


class OutboxBatch(NamedTuple):
    """The records that one batch publishes for one lane, all in one Kafka transaction.

    `byte_size` is the approximate size of its records.
    """

    lane: int
    number: int
    records: Sequence[EncodedRecord]
    byte_size: int


def encode_records(records: Sequence[EncodedRecord]) -> bytes:
    """Return the records as bytes: a table of lengths, then the values with these lengths."""
    lengths: list[int] = [len(records)]
    chunks: list[bytes] = []
    for record in records:
        lengths += (
            record.output,
            record.sequence,
            _append_chunk(record.key, chunks),
            _append_chunk(record.value, chunks),
            len(record.headers),
        )
        for name, value in record.headers:
            lengths += (_append_chunk(name.encode(), chunks), _append_chunk(value, chunks))
    return struct.pack(f"<I{len(lengths)}q", len(lengths), *lengths) + b"".join(chunks)


def decode_records(blob: bytes) -> list[EncodedRecord]:
    """Return the records that `encode_records` encoded."""
    (size,) = struct.unpack_from("<I", blob)
    lengths = iter(struct.unpack_from(f"<{size}q", blob, 4))
    chunks = _ChunkReader(memoryview(blob)[4 + 8 * size :])
    return [_read_record(lengths, chunks) for _ in range(next(lengths))]


async def update_outbox(
    connection: Connection, batches: Iterable[OutboxBatch], published: Iterable[tuple[int, int, int]]
) -> None:
    """Insert batches to publish, and delete published ones.

    `published` has (lane, number of the last batch already deleted, number of the last batch published).
    """
    rows = [batch for batch in batches if batch.records]
    deletions = [row for row in published if row[2] > row[1]]
    if not rows and not deletions:
        return
    # The lower bound keeps the scan off the dead index entries of batches that were deleted before.
    await connection.execute(
        """
        WITH deleted AS (
            DELETE FROM outbox
            USING unnest($4::int[], $5::bigint[], $6::bigint[]) AS done (lane, after, upto)
            WHERE outbox.lane = done.lane AND batch_number > after AND batch_number <= upto
        )
        INSERT INTO outbox (lane, batch_number, records)
        SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])
        """,
        [row.lane for row in rows],
        [row.number for row in rows],
        [encode_records(row.records) for row in rows],
        [row[0] for row in deletions],
        [row[1] for row in deletions],
        [row[2] for row in deletions],
    )


async def load_pending(connection: Connection, lanes: Sequence[int]) -> list[OutboxBatch]:
    """Return the lanes' outbox batches that are not confirmed as published, by lane and number."""
    rows = await connection.fetch(
        "SELECT * FROM outbox WHERE lane = ANY($1::int[]) ORDER BY lane, batch_number", lanes
    )
    return [
        OutboxBatch(row["lane"], row["batch_number"], decode_records(row["records"]), len(row["records"]))
        for row in rows
    ]


def _append_chunk(chunk: bytes | None, chunks: list[bytes]) -> int:
    if chunk is None:
        return _NULL_LENGTH
    chunks.append(chunk)
    return len(chunk)


class _ChunkReader:
    """Reads chunks of given lengths from a byte string."""

    def __init__(self, chunks: memoryview) -> None:
        self._chunks = chunks
        self._offset = 0

    def next_chunk(self, length: int) -> bytes | None:
        if length == _NULL_LENGTH:
            return None
        start = self._offset
        self._offset += length
        return bytes(self._chunks[start : self._offset])


def _read_record(lengths: "Iterable[int]", chunks: _ChunkReader) -> EncodedRecord:
    remaining = iter(lengths)
    output, sequence = next(remaining), next(remaining)
    key, value = chunks.next_chunk(next(remaining)), chunks.next_chunk(next(remaining))
    headers = [
        ((chunks.next_chunk(next(remaining)) or b"").decode(), chunks.next_chunk(next(remaining)))
        for _ in range(next(remaining))
    ]
    return EncodedRecord(output, sequence, key, value, headers)
