"""Identifiers: time-ordered ones for what is new, computed ones for what follows from a record."""

import hashlib

from schemas.ids import uuid7

__all__ = ["event", "origin", "uuid7"]

_LOW_48 = (1 << 48) - 1


def origin(cluster: str, topic: str) -> str:
    """Return the part of an event's id that names its topic, over all clusters."""
    digest = hashlib.sha256(f"{cluster}/{topic}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}"


def event(origin_: str, partition: int, sequence: int) -> str:
    """Return the UUIDv8 of the record with this sequence: deciding it again gives the same id."""
    return f"{origin_}-8{partition:03x}-8{sequence >> 48:03x}-{sequence & _LOW_48:012x}"
