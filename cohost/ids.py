"""Command ids: UUIDv7, which grow with time and tell it."""

import secrets
import time
import uuid

_VERSION = 7


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = milliseconds << 80 | _VERSION << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def made_at(identifier: str) -> int | None:
    """Return when a UUIDv7 was made, in milliseconds since the epoch; None for any other id."""
    try:
        found = uuid.UUID(identifier)
    except ValueError:
        return None
    return found.int >> 80 if found.version == _VERSION else None
