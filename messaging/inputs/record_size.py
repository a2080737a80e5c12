"""The size of records, and which are too large to be parsed in the event loop."""

from aiokafka import ConsumerRecord

LARGE_RECORD_BYTES = 64 * 1024
"""Bytes beyond which parsing a record takes too long for the event loop."""


def byte_size(record: ConsumerRecord) -> int:
    """Return the bytes of the record's key, value and headers."""
    size = len(record.value or b"") + len(record.key or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size


def is_large(record: ConsumerRecord) -> bool:
    """Return whether parsing the record may take milliseconds, by its size."""
    return byte_size(record) > LARGE_RECORD_BYTES
