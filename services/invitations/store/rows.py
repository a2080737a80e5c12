"""Convert rows of `invitations` into the contract's type, and correlations to and from their column."""

import asyncpg
from pydantic_core import from_json, to_json

from cohost_schemas.envelope import Correlation
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import build_message

_FIELDS = tuple(Invitation.model_fields)


def invitation_from_row(row: asyncpg.Record) -> Invitation:
    """Return the invitation of a row that has all columns of the table."""
    return build_message(Invitation, {name: row[name] for name in _FIELDS})


def correlation_from_column(column: str | None) -> Correlation | None:
    """Return the correlation of a column `correlation`."""
    return None if column is None else Correlation(**from_json(column))


def correlation_to_column(correlation: Correlation | None) -> str | None:
    """Return the value of a column `correlation`."""
    return None if correlation is None else to_json(correlation.attributes()).decode()
