"""One overview from those of the two services."""

from typing import Any

from cohost_schemas import timestamps
from cohost_schemas.ops.state import StateOverview
from services.gateway.ops.state.service_answers import unavailable_parts

_OF_INVITATIONS = ("rooms_open", "pending", "seats")
_OF_BROADCAST = ("connected", "in_grace", "out_of_sync", "failing_grants")
_OF_BOTH = ("lag", "outbox_batches", "lanes", "lanes_without_owner", "takeovers")


def merge_overviews(invitations: StateOverview | None, broadcast: StateOverview | None) -> StateOverview:
    """Return the overview of both services. A sum is null while a part of it is unknown."""
    fields: dict[str, Any] = {
        **{name: getattr(invitations, name, None) for name in _OF_INVITATIONS},
        **{name: getattr(broadcast, name, None) for name in _OF_BROADCAST},
        **{name: _sum(getattr(invitations, name, None), getattr(broadcast, name, None)) for name in _OF_BOTH},
    }
    return StateOverview(
        at=timestamps.current_timestamp(), unavailable=unavailable_parts(invitations, broadcast), **fields
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
