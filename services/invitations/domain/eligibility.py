"""Decide whether a user may be on a stage, or be invited to it; a rejection's detail is the true cause."""

from messaging.processor import Rejection
from services.invitations.domain.state import Policy, Room, User


def check_eligibility(user: User | None, policy: Policy) -> Rejection | None:
    """Return why a user may not be on any stage, or None."""
    if user is None:
        return None if policy.accept_unknown_users else Rejection("user_not_found")
    if user.status == "gone":
        return Rejection("user_not_found")
    return None if user.status == "active" else Rejection("user_not_eligible", detail=user.status)


def check_invitable(user: User | None, room: Room, policy: Policy) -> Rejection | None:
    """Return why a user may not be invited to this room, or None."""
    if rejection := check_eligibility(user, policy):
        return rejection
    if user is None:
        return None
    if not user.can_receive_invitations:
        return Rejection("user_not_eligible", detail="takes_no_invitations")
    if room.host_id in user.blocked_user_ids:
        return Rejection("user_not_eligible", detail="blocks_host")
    return None
