"""The outbox table: records that are decided but not confirmed as published, one row per lane and batch."""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from messaging.database import Connection

# A list, because aiokafka accepts no other sequence.
Headers = list[tuple[str, bytes | None]]

_ABSENT = -1


class Record(NamedTuple):
    """A record to publish: the index of its output in the topology, its sequence, and the Kafka record."""

    output: int
    sequence: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def size(self) -> int:
        """Return the approximate number of bytes that the record takes in a Kafka batch."""
        size = len(self.key or b"") + len(self.value or b"") + 70
        for name, value in self.headers:
            size += len(name.encode()) + len(value or b"") + 10
        return size


class Segment(NamedTuple):
    """The records that one batch publishes for one lane, all in one Kafka transaction.

    `byte_size` is the approximate size of its records.
    """

    lane: int
    number: int
    records: Sequence[Record]
    size: int


def encode(records: Sequence[Record]) -> bytes:
    """Return the records as bytes: a table of lengths, then the values with these lengths."""
    table: list[int] = [len(records)]
    texts: list[bytes] = []
    for record in records:
        table += (
            record.output,
            record.sequence,
            _measure(record.key, texts),
            _measure(record.value, texts),
            len(record.headers),
        )
        for name, value in record.headers:
            table += (_measure(name.encode(), texts), _measure(value, texts))
    return struct.pack(f"<I{len(table)}q", len(table), *table) + b"".join(texts)


def decode(blob: bytes) -> list[Record]:
    """Return the records that `encode_records` encoded."""
    (size,) = struct.unpack_from("<I", blob)
    table = iter(struct.unpack_from(f"<{size}q", blob, 4))
    texts = _Cutter(memoryview(blob)[4 + 8 * size :])
    return [_record(table, texts) for _ in range(next(table))]


async def append(
    connection: Connection, segments: Iterable[Segment], published: Iterable[tuple[int, int, int]]
) -> None:
    """Insert batches to publish, and delete published ones.

    `published` has (lane, number of the last batch already deleted, number of the last batch published).
    """
    rows = [segment for segment in segments if segment.records]
    done = [row for row in published if row[2] > row[1]]
    if not rows and not done:
        return
    # The lower bound keeps the scan off the dead index entries of batches that were deleted before.
    await connection.execute(
        """
        WITH deleted AS (
            DELETE FROM segments
            USING unnest($4::int[], $5::bigint[], $6::bigint[]) AS done (lane, after, upto)
            WHERE segments.lane = done.lane AND number > after AND number <= upto
        )
        INSERT INTO segments (lane, number, records)
        SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])
        """,
        [row.lane for row in rows],
        [row.number for row in rows],
        [encode(row.records) for row in rows],
        [row[0] for row in done],
        [row[1] for row in done],
        [row[2] for row in done],
    )


async def pending(connection: Connection, lanes: Sequence[int]) -> list[Segment]:
    """Return the lanes' outbox batches that are not confirmed as published, by lane and number."""
    rows = await connection.fetch(
        "SELECT lane, number, records FROM segments WHERE lane = ANY($1::int[]) ORDER BY lane, number", lanes
    )
    return [Segment(row["lane"], row["number"], decode(row["records"]), len(row["records"])) for row in rows]


def _measure(text: bytes | None, texts: list[bytes]) -> int:
    if text is None:
        return _ABSENT
    texts.append(text)
    return len(text)


class _Cutter:
    """Reads chunks of given lengths from a byte string."""

    def __init__(self, texts: memoryview) -> None:
        self._texts = texts
        self._offset = 0

    def cut(self, length: int) -> bytes | None:
        if length == _ABSENT:
            return None
        start = self._offset
        self._offset += length
        return bytes(self._texts[start : self._offset])


def _record(table: "Iterable[int]", texts: _Cutter) -> Record:
    numbers = iter(table)
    output, sequence = next(numbers), next(numbers)
    key, value = texts.cut(next(numbers)), texts.cut(next(numbers))
    headers = [
        ((texts.cut(next(numbers)) or b"").decode(), texts.cut(next(numbers))) for _ in range(next(numbers))
    ]
    return Record(output, sequence, key, value, headers)
