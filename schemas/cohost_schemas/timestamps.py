"""Convert milliseconds since the epoch to and from the wire's RFC 3339 form."""

import time
from datetime import UTC, datetime
from functools import lru_cache

_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


@lru_cache(maxsize=65_536)
def from_ms(milliseconds: int) -> str:
    """Return milliseconds since the epoch as `2026-01-01T12:00:00.000Z`, clamped to years 1970 to 9999."""
    seconds, rest = divmod(min(max(milliseconds, 0), _LAST_MS), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


@lru_cache(maxsize=65_536)
def to_ms(timestamp: str) -> int:
    """Return milliseconds since the epoch for a timestamp from `from_ms`."""
    moment = datetime.fromisoformat(timestamp)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def add_seconds(timestamp: str, seconds: int) -> str:
    """Return the timestamp `seconds` later."""
    return from_ms(to_ms(timestamp) + 1000 * seconds)


def current_timestamp() -> str:
    """Return this machine's time as a timestamp, for attributes that no decision depends on."""
    return from_ms(time.time_ns() // 1_000_000)
