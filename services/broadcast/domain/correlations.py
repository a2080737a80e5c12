"""The correlation of events that follow from another record than the signal that causes them."""

from cohost_schemas.envelope import Correlation
from cohost_schemas.events import CoHostLost, GrantFailed, GrantProvisioned, GrantRevoked
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


def _of_revocation(stage: Stage, user_id: str, invitation_id: str) -> Correlation | None:
    pending = (*stage.member_or_empty(user_id).pending_revocations, *stage.room.pending_revocations)
    found = (revocation.correlation for revocation in pending if revocation.invitation_id == invitation_id)
    return next(found, None)
