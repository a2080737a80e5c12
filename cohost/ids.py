"""Command ids: UUIDv7, which sort by time and contain it."""

from cohost_schemas.ids import made_at, uuid7

__all__ = ["made_at", "uuid7"]
