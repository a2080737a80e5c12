"""Generate ids: time-ordered for new objects, deterministic for output records."""

import hashlib

from schemas.ids import uuid7

__all__ = ["event", "origin", "uuid7"]

_LOW_48 = (1 << 48) - 1


def origin(cluster: str, topic: str) -> str:
    """Return the prefix of all event ids of a topic; it differs between clusters and topics."""
    digest = hashlib.sha256(f"{cluster}/{topic}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}"


def event(origin_: str, partition: int, sequence: int) -> str:
    """Return the UUIDv8 of the record with this sequence. Deciding the record again gives the same id."""
    return f"{origin_}-8{partition:03x}-8{sequence >> 48:03x}-{sequence & _LOW_48:012x}"
