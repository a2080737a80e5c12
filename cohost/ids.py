"""Command ids: UUIDv7, which grow with time and tell it."""

from schemas.ids import made_at, uuid7

__all__ = ["made_at", "uuid7"]
