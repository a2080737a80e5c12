"""The correlation of events that follow from another record than the signal that causes them."""

from cohost_schemas.envelope import Correlation
from cohost_schemas.events import (
    CoHostConnected,
    CoHostDisconnected,
    CoHostLost,
    CoHostReconnected,
    GrantFailed,
    GrantProvisioned,
    GrantRevoked,
)
from cohost_schemas.types import Message
from services.broadcast.domain.state import Stage


def correlation_of(stage: Stage | None, event: Message) -> Correlation | None:
    """Return what an event decided on this stage carries in place of its cause's correlation, or None.

    A grant and a release follow from the acceptance that gave the seat, a revocation from what ended it, and
    a failure after the grant from the mute that changed the rights.
    Seats stored by earlier versions have no correlation.
    """
    if stage is None:
        return None
    match event:
        case GrantRevoked(user_id=user_id, invitation_id=invitation_id):
            return _of_revocation(stage, user_id, invitation_id)
        case (
            GrantProvisioned(user_id=user_id, invitation_id=invitation_id)
            | GrantFailed(user_id=user_id, invitation_id=invitation_id)
            | CoHostLost(user_id=user_id, invitation_id=invitation_id)
        ):
            member = stage.member_or_empty(user_id)
            seat = member.seat
            if seat is not None and seat.invitation_id == invitation_id:
                is_mute = isinstance(event, GrantFailed) and seat.provisioned
                return (member.correlation if is_mute else None) or seat.correlation
            return _of_revocation(stage, user_id, invitation_id)
        case _:
            return None


def connection_correlation(stage: Stage, event: Message) -> Correlation | None:
    """Return the acceptance's correlation where the event is about a co-host's connection, else None.

    For traces alone: these events carry their cause's, which LiveKit's webhooks do not have.
    """
    match event:
        case (
            CoHostConnected(user_id=user_id)
            | CoHostReconnected(user_id=user_id)
            | CoHostDisconnected(user_id=user_id)
        ):
            seat = stage.member_or_empty(user_id).seat
            return seat.correlation if seat is not None else None
        case _:
            return None


def _of_revocation(stage: Stage, user_id: str, invitation_id: str) -> Correlation | None:
    pending = (*stage.member_or_empty(user_id).pending_revocations, *stage.room.pending_revocations)
    found = (revocation.correlation for revocation in pending if revocation.invitation_id == invitation_id)
    return next(found, None)
