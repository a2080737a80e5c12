"""The outbox table: records that are decided but not confirmed as published, one row per lane and batch."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cramjam
import msgspec

from cohost_schemas import envelope
from messaging.database import Connection
from messaging.errors import IncompatibleDeployment

# A list, because aiokafka accepts no other sequence.
Headers = list[tuple[str, bytes | None]]

_CONTENT_TYPE = ("content-type", envelope.CONTENT_TYPE)
_EVENT_HEADERS_SIZE = 95
"""Estimated bytes of the headers of a CloudEvent: its content type, and a sequence of 12 digits."""

_PLAIN_FORMAT, _COMPRESSED_FORMAT = 1, 2
"""The first byte of stored records; the rest is their MessagePack, or an LZ4 block of it."""


class EncodedRecord(NamedTuple):
    """A record to publish: its topic without the deployment's prefix, its sequence, and the Kafka record.

    `own_headers` is None for a CloudEvent, which has only its content type and its sequence as headers.
    """

    topic: str
    sequence: int
    key: bytes | None
    value: bytes | None
    own_headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        """Return the headers with which the record is published."""
        if self.own_headers is not None:
            return self.own_headers
        return [_CONTENT_TYPE, ("sequence", b"%d" % self.sequence)]

    def estimated_size(self) -> int:
        """Return the approximate number of bytes that the record takes in a Kafka batch."""
        size = len(self.key or b"") + len(self.value or b"") + 70
        if self.own_headers is None:
            return size + _EVENT_HEADERS_SIZE
        for name, value in self.own_headers:
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


def total_bytes(batches: Iterable[OutboxBatch]) -> int:
    """Return the approximate size of the batches' records."""
    return sum([batch.byte_size for batch in batches])


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[EncodedRecord])


def encode_records(records: Sequence[EncodedRecord]) -> bytes:
    """Return the records as bytes, with the version of their format."""
    # To send, store and log the bytes costs much more than to compress them to a sixth.
    return bytes((_COMPRESSED_FORMAT,)) + bytes(cramjam.lz4.compress_block(_encoder.encode(records)))


def decode_records(blob: bytes) -> list[EncodedRecord]:
    """Return the records that `encode_records` of this version or an earlier one encoded."""
    stored = memoryview(blob)[1:]
    return _decoder.decode(stored if blob[0] == _PLAIN_FORMAT else cramjam.lz4.decompress_block(stored))


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
    """Return the lanes' outbox batches that are not confirmed as published, by lane and number.

    Raises `IncompatibleDeployment` if another version wrote one of them in a format of its own.
    """
    rows = await connection.fetch(
        "SELECT lane, batch_number, records FROM outbox WHERE lane = ANY($1::int[])"
        " ORDER BY lane, batch_number",
        lanes,
    )
    return [_load_batch(*row) for row in rows]


class OldestBatches:
    """Finds the number of each lane's oldest batch.

    It searches from the last one found on: while a snapshot of the database is held open, for example by a
    dump, the index has the entries of all batches that were deleted since.
    """

    def __init__(self) -> None:
        self._since: dict[int, int] = {}

    async def find(self, connection: Connection) -> dict[int, int]:
        """Return the number of the oldest batch in the outbox by lane, for the lanes that have one."""
        # A lane's numbers only grow, unless an older copy of the database was restored.
        rows = await connection.fetch(
            """
            SELECT lane, oldest.batch_number, newest.last_batch_number
            FROM generate_series(0, (SELECT max(lane) FROM lanes)) AS numbered (lane)
            LEFT JOIN unnest($1::int[], $2::bigint[]) AS searched (lane, since) USING (lane)
            CROSS JOIN LATERAL (
                SELECT last_batch_number FROM lanes WHERE lanes.lane = numbered.lane
                ORDER BY last_batch_number DESC LIMIT 1
            ) AS newest
            LEFT JOIN LATERAL (
                SELECT batch_number FROM outbox WHERE outbox.lane = numbered.lane
                    AND batch_number >= CASE WHEN since <= newest.last_batch_number + 1 THEN since ELSE 0 END
                ORDER BY batch_number LIMIT 1
            ) AS oldest ON true
            """,
            list(self._since),
            list(self._since.values()),
        )
        self._since = {lane: last + 1 if oldest is None else oldest for lane, oldest, last in rows}
        return {lane: oldest for lane, oldest, _ in rows if oldest is not None}


def _load_batch(lane: int, number: int, blob: bytes) -> OutboxBatch:
    version = blob[0] if blob else None
    if version not in {_PLAIN_FORMAT, _COMPRESSED_FORMAT}:
        msg = (
            f"lane {lane}: outbox batch {number} has format {version}, but this version knows only "
            f"{_PLAIN_FORMAT} and {_COMPRESSED_FORMAT}; start the version that wrote the batch and stop it "
            "once the outbox is empty"
        )
        raise IncompatibleDeployment(msg)
    records = decode_records(blob)
    return OutboxBatch(lane, number, records, sum([record.estimated_size() for record in records]))
