"""The facts that the two services publish (contract, sections 4 and 7)."""

from typing import Annotated, Literal

from pydantic import Strict

from schemas.facts import SeatLimit
from schemas.invitation import Invitation
from schemas.rejections import CommandRejected
from schemas.types import (
    Badge,
    Id,
    LeaveReason,
    Message,
    MuteSource,
    PositiveCount,
    RoomStatus,
    Timestamp,
    TrackSource,
)


class StageChanged(Message):
    """What invitations has read of a room, whenever it differs from before."""

    room_id: Id
    host_id: Id
    status: RoomStatus
    open: bool
    max_co_hosts: SeatLimit


class InvitationSent(Invitation):
    """An invitation is pending."""


class InvitationAccepted(Invitation):
    """The invitee accepted: there is a seat."""


class InvitationDeclined(Invitation):
    """The invitee declined."""


class InvitationCancelled(Invitation):
    """The host or the system took the invitation back; `closeReason` says which."""


class InvitationExpired(Invitation):
    """The invitation ran out; `updatedAt` is its `expiresAt`."""


class CoHostLeft(Message):
    """A seat ended."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    reason: LeaveReason
    left_at: Timestamp
    removed_by: Id | None = None


class Permissions(Message):
    """What LiveKit lets a participant do."""

    can_publish: bool
    can_publish_data: bool
    can_subscribe: bool
    can_publish_sources: Annotated[tuple[TrackSource, ...], Strict(strict=False)]


class GrantProvisioned(Message):
    """A co-host's rights are in place, or will come with the token of the next join."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    mode: Literal["in_place", "on_join"]
    permissions: Permissions
    provisioned_at: Timestamp


class GrantRevoked(Message):
    """The rights of a seat that ended are gone."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    reason: LeaveReason
    mode: Literal["in_place", "absent", "room_deleted"]
    revoked_at: Timestamp


class GrantFailed(Message):
    """LiveKit does not take the grant; retryable ones are tried again for ever."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    error: str
    attempts: PositiveCount
    retryable: bool


class CoHostConnected(Message):
    """A seated co-host's first connection."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp


class CoHostDisconnected(Message):
    """A seated co-host dropped; the seat is kept until `graceEndsAt`."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp
    grace_ends_at: Timestamp


class CoHostReconnected(Message):
    """A dropped co-host is back."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp


class CoHostLost(Message):
    """The grace is over: broadcast asks for the seat's release."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp


class CoHostMuted(Message):
    """A mute command took effect."""

    room_id: Id
    user_id: Id
    source: MuteSource
    hard: bool
    by: Id


class CoHostUnmuteRequested(Message):
    """A hard mute was lifted and the co-host is asked to unmute."""

    room_id: Id
    user_id: Id
    source: MuteSource
    by: Id


class IntruderRemoved(Message):
    """Somebody who had publish permission or tracks without a seat lost them."""

    room_id: Id
    user_id: Id
    action: Literal["demoted", "removed"]
    at: Timestamp


class BadgeChanged(Message):
    """Who wears which badge in a room."""

    room_id: Id
    user_id: Id
    badge: Badge
    invitation_id: Id | None = None
    since: Timestamp


InvitationEvent = (
    InvitationSent | InvitationAccepted | InvitationDeclined | InvitationCancelled | InvitationExpired
)

INVITATIONS: tuple[type[Message], ...] = (
    StageChanged,
    InvitationSent,
    InvitationAccepted,
    InvitationDeclined,
    InvitationCancelled,
    InvitationExpired,
    CoHostLeft,
)
BROADCAST: tuple[type[Message], ...] = (
    GrantProvisioned,
    GrantRevoked,
    GrantFailed,
    CoHostConnected,
    CoHostDisconnected,
    CoHostReconnected,
    CoHostLost,
    CoHostMuted,
    CoHostUnmuteRequested,
    IntruderRemoved,
)
BADGES: tuple[type[Message], ...] = (BadgeChanged,)
REJECTIONS: tuple[type[Message], ...] = (CommandRejected,)
