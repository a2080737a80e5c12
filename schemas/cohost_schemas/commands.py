"""The commands of both services, by their wire names (contract, sections 3 and 6)."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, StringConstraints

from cohost_schemas.types import ZERO_FRACTION_ALLOWED, CommandData, Id, MuteSource, StoredId

ReleaseReason = Literal["no_show", "connection_lost"]
ExpirySeconds = Annotated[int, Field(ge=10, le=604_800), ZERO_FRACTION_ALLOWED]
InvitationMessage = Annotated[str, StringConstraints(max_length=280, pattern=r"^[^\x00]*$")]
GuestLabel = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]*$")]


def _check_repetition(user_ids: tuple[Id, ...]) -> tuple[Id, ...]:
    if len(set(user_ids)) < len(user_ids):
        msg = "a user is listed twice"
        raise ValueError(msg)
    return user_ids


SpeakingOrder = Annotated[
    tuple[Id, ...],
    Strict(strict=False),
    Field(min_length=1, max_length=100, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_check_repetition),
]


class SendInvitation(CommandData):
    """The host invites a user, announced as `label`; the new invitation's id is the command's id."""

    user_id: Id
    actor_id: Id
    expires_in_seconds: ExpirySeconds = 86_400
    message: InvitationMessage | None = None
    label: GuestLabel | None = None


class ResendInvitation(CommandData):
    """The host sends a pending invitation again; it keeps its expiry without `expiresInSeconds`."""

    invitation_id: Id
    actor_id: Id
    expires_in_seconds: ExpirySeconds | None = None


class MarkInvitationSeen(CommandData):
    """The invitee has seen a pending invitation."""

    invitation_id: Id
    actor_id: Id


class CancelInvitation(CommandData):
    """The host cancels a pending invitation."""

    invitation_id: Id
    actor_id: Id


class AcceptInvitation(CommandData):
    """The invitee accepts and gets a seat."""

    invitation_id: Id
    actor_id: Id


class DeclineInvitation(CommandData):
    """The invitee declines."""

    invitation_id: Id
    actor_id: Id


class RemoveCoHost(CommandData):
    """The host ends a co-host's seat."""

    user_id: Id
    actor_id: Id


class LeaveStage(CommandData):
    """A co-host gives up the seat."""

    actor_id: Id


class ArrangeStage(CommandData):
    """The host arranges the co-hosts: `userIds` come first, in this order, and then all others as before."""

    actor_id: Id
    user_ids: SpeakingOrder


class ServiceCommand(CommandData):
    """Base of commands that the services write about what they stored, whatever it is called."""

    room_id: StoredId


class ExpireInvitation(ServiceCommand):
    """Expire an invitation; without effect unless it is overdue by the broker's clock."""

    invitation_id: StoredId


class ReleaseSeat(ServiceCommand):
    """Broadcast asks to end the seat that was created by this invitation."""

    user_id: StoredId
    invitation_id: StoredId
    reason: ReleaseReason


class ExcludeUser(ServiceCommand):
    """Apply a ban in one room; without effect while the user is eligible."""

    user_id: StoredId


class MuteCoHost(CommandData):
    """Mute a source of a co-host: soft (once) or hard (until unmuted)."""

    user_id: Id
    actor_id: Id
    source: MuteSource
    hard: bool = False


class UnmuteCoHost(CommandData):
    """Lift a hard mute and ask the co-host to unmute."""

    user_id: Id
    actor_id: Id
    source: MuteSource


InvitationCommand = (
    SendInvitation
    | ResendInvitation
    | MarkInvitationSeen
    | CancelInvitation
    | AcceptInvitation
    | DeclineInvitation
    | RemoveCoHost
    | LeaveStage
    | ArrangeStage
    | ExpireInvitation
    | ReleaseSeat
    | ExcludeUser
)
BroadcastCommand = MuteCoHost | UnmuteCoHost

INVITATIONS: tuple[type[CommandData], ...] = (
    SendInvitation,
    ResendInvitation,
    MarkInvitationSeen,
    CancelInvitation,
    AcceptInvitation,
    DeclineInvitation,
    RemoveCoHost,
    LeaveStage,
    ArrangeStage,
    ExpireInvitation,
    ReleaseSeat,
    ExcludeUser,
)
BROADCAST: tuple[type[CommandData], ...] = (MuteCoHost, UnmuteCoHost)
