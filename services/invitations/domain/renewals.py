"""Renew a pending invitation: send it again, or mark it as seen."""

from cohost_schemas import timestamps
from cohost_schemas.commands import ResendInvitation
from cohost_schemas.events import InvitationResent, InvitationSeen
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import build_message
from messaging.processor import Rejection

RESEND_PAUSE_SECONDS = 10
"""Seconds after which an invitation may be sent again."""


def resend_invitation(
    command: ResendInvitation, invitation: Invitation, at: str
) -> tuple[InvitationResent] | Rejection:
    """Send a pending invitation again, unless it was sent a moment ago."""
    retry_at = timestamps.add_seconds(invitation.resent_at or invitation.sent_at, RESEND_PAUSE_SECONDS)
    if at < retry_at:
        return Rejection("too_soon", invitation, retry_at=retry_at)
    seconds = command.expires_in_seconds
    resent = {
        "times_sent": invitation.times_sent + 1,
        "resent_at": at,
        "expires_at": invitation.expires_at if seconds is None else timestamps.add_seconds(at, seconds),
    }
    return (build_message(InvitationResent, {**vars(invitation), **resent}),)


def mark_seen(invitation: Invitation, at: str) -> tuple[InvitationSeen] | Rejection:
    """Mark a pending invitation as seen, unless it has been."""
    if invitation.seen_at is not None:
        return Rejection("already_seen", invitation)
    return (build_message(InvitationSeen, {**vars(invitation), "seen_at": at}),)
