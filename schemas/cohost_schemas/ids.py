"""New ids: UUIDv7, which sort by time and contain it."""

import secrets
import time
import uuid
from collections.abc import Callable

COMMAND_ID_RETENTION_MS = 7 * 24 * 60 * 60 * 1000
"""Milliseconds for which the services remember a command's id (contract, section 3)."""

_VERSION = 7


def uuid7(random_bits: Callable[[int], int] = secrets.randbits) -> str:
    """Return a new UUIDv7 (RFC 9562); `random_bits(n)` returns `n` random bits."""
    milliseconds = time.time_ns() // 1_000_000
    bits = random_bits(74)
    value = milliseconds << 80 | _VERSION << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def made_at(identifier: str) -> int | None:
    """Return the creation time of a UUIDv7, in milliseconds since the epoch; None for any other id."""
    try:
        found = uuid.UUID(identifier)
    except ValueError:
        return None
    return found.int >> 80 if found.version == _VERSION else None
