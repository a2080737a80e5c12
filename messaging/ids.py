"""Identifiers: time-ordered ones for what is new, computed ones for what follows from a record."""

import hashlib
import secrets
import time

_LOW_48 = (1 << 48) - 1


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def origin(cluster: str, topic: str) -> str:
    """Return the part of an event's id that names its topic, over all clusters."""
    digest = hashlib.sha256(f"{cluster}/{topic}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}"


def event(origin_: str, partition: int, sequence: int) -> str:
    """Return the UUIDv8 of the record with this sequence: deciding it again gives the same id."""
    return f"{origin_}-8{partition:03x}-8{sequence >> 48:03x}-{sequence & _LOW_48:012x}"
