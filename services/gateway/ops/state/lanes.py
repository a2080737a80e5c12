"""The lanes of the two services as one list."""

from cohost_schemas.ops.state import LaneStates
from services.gateway.ops.state.service_answers import unavailable_parts


def merge_lanes(invitations: LaneStates | None, broadcast: LaneStates | None) -> LaneStates:
    """Return the lanes of both services, by service and lane."""
    return LaneStates(
        items=(*(invitations.items if invitations else ()), *(broadcast.items if broadcast else ())),
        unavailable=unavailable_parts(invitations, broadcast),
    )
