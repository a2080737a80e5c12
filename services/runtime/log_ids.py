"""Log which room, command and trace a line is about."""

import contextlib
from collections.abc import Iterator

import structlog

from cohost_schemas.envelope import Correlation
from messaging.tracing.context import trace_id_of


def ids_of(
    room_id: str | None = None, command_id: str | None = None, traceparent: str | None = None
) -> dict[str, str]:
    """Return `room_id`, `command_id` and `trace_id`, those that are known."""
    found = {"room_id": room_id, "command_id": command_id, "trace_id": trace_id_of(traceparent)}
    return {name: value for name, value in found.items() if value is not None}


@contextlib.contextmanager
def bound_ids(
    room_id: str | None = None, command_id: str | None = None, traceparent: str | None = None
) -> Iterator[None]:
    """Add the ids to every line of this task during the block, those of libraries too."""
    with structlog.contextvars.bound_contextvars(**ids_of(room_id, command_id, traceparent)):
        yield


def traceparent_of(correlation: Correlation | None) -> str | None:
    """Return the `traceparent` of a correlation, None if there is none."""
    return correlation.traceparent if correlation is not None else None
