"""Pagination of lists: `limit`, and an opaque `cursor` that holds the sort key of the last item."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from cohost_schemas.types import Timestamp
from services.runtime.http.problems import HttpProblem

T = TypeVar("T")

_MAX_CURSOR_LENGTH = 1024


def _check_calendar_date(timestamp: str) -> str:
    datetime.fromisoformat(timestamp)
    return timestamp


CalendarTimestamp = Annotated[Timestamp, AfterValidator(_check_calendar_date)]
"""A timestamp whose date exists in the calendar, so that Postgres accepts it."""

BigInt = Annotated[int, Field(ge=0, lt=2**63)]
"""A non-negative number that fits a bigint."""


@dataclass(frozen=True, slots=True)
class PageParams:
    """The page of a list that a request asks for."""

    limit: Annotated[int, Query(ge=1, le=200)] = 50
    cursor: Annotated[
        str | None, Query(max_length=_MAX_CURSOR_LENGTH, description="`nextCursor` of the previous page.")
    ] = None


RequestedPage = Annotated[PageParams, Depends()]


class ListPage(BaseModel, Generic[T]):
    """A page of a list; `nextCursor` is null on the last page."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    items: list[T]
    next_cursor: str | None


def encode_cursor(*parts: str | int) -> str:
    """Return the cursor that continues after the item with this sort key."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, shape: type[T]) -> T:
    """Return a cursor's sort key as `shape`, a NamedTuple of annotated fields.

    Raises `HttpProblem` (422) unless `encode_cursor` can have made the cursor from such a key.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        position: T = _shape_adapter(shape).validate_json(text, strict=True)  # type: ignore[arg-type]
    except ValueError:
        raise HttpProblem(422, "invalid_request", "cursor: It is not a cursor of this list.") from None
    return position


@lru_cache(maxsize=32)
def _shape_adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
