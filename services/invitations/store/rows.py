"""Rows of `invitations` as the contract's own type."""

import asyncpg

from schemas.invitation import Invitation
from schemas.types import build

_FIELDS = tuple(Invitation.model_fields)


def invitation(row: asyncpg.Record) -> Invitation:
    """Return the invitation of a row that has all of its columns."""
    return build(Invitation, {name: row[name] for name in _FIELDS})
