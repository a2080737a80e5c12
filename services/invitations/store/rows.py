"""Convert rows of `invitations` into the contract's type."""

import asyncpg

from cohost_schemas.invitation import Invitation
from cohost_schemas.types import build_message

_FIELDS = tuple(Invitation.model_fields)


def invitation_from_row(row: asyncpg.Record) -> Invitation:
    """Return the invitation of a row that has all columns of the table."""
    return build_message(Invitation, {name: row[name] for name in _FIELDS})
