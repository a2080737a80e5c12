"""The invitation, as events and HTTP represent it."""

from cohost_schemas.types import CloseReason, InvitationStatus, Message, PositiveCount, Timestamp
from cohost_schemas.types import StoredId as Id


class Invitation(Message):
    """An invitation's current state: the data of every invitation event, and the HTTP representation.

    The last four fields have the values of an invitation from before version 1.1, whose records lack them.
    """

    invitation_id: Id
    room_id: Id
    user_id: Id
    invited_by: Id
    status: InvitationStatus
    sent_at: Timestamp
    expires_at: Timestamp
    responded_at: Timestamp | None = None
    updated_at: Timestamp
    close_reason: CloseReason | None = None
    message: str | None = None
    previous_invitation_id: Id | None = None
    label: str | None = None
    times_sent: PositiveCount = 1
    resent_at: Timestamp | None = None
    seen_at: Timestamp | None = None
