"""Records that are too large to be parsed in the event loop."""

from aiokafka import ConsumerRecord

LARGE_RECORD_BYTES = 64 * 1024
"""Bytes beyond which parsing a record takes too long for the event loop."""


def is_large(record: ConsumerRecord) -> bool:
    """Return whether parsing the record may take milliseconds, by its size."""
    size = len(record.value or b"") + len(record.key or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size > LARGE_RECORD_BYTES
