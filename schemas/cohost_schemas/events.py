"""The events of both services (contract, sections 4 and 7)."""

from typing import Annotated, Literal

from pydantic import Strict

from cohost_schemas.facts import SeatLimit
from cohost_schemas.invitation import Invitation
from cohost_schemas.rejections import CommandRejected
from cohost_schemas.types import (
    Badge,
    ConnectionQuality,
    LeaveReason,
    Message,
    MuteSource,
    PositiveCount,
    RecordingStatus,
    RoomStatus,
    RoundTripMs,
    Text,
    Timestamp,
    TrackSource,
)
from cohost_schemas.types import StoredId as Id

TrackSources = Annotated[tuple[TrackSource, ...], Strict(strict=False)]
"""Sources in the order of LiveKit's own enumeration."""


class StageChanged(Message):
    """The state of a room as invitations has read it, published whenever it changes."""

    room_id: Id
    host_id: Id
    status: RoomStatus
    open: bool
    max_co_hosts: SeatLimit


class InvitationSent(Invitation):
    """An invitation is pending."""


class InvitationResent(Invitation):
    """A pending invitation was sent again, perhaps with another `expiresAt`."""


class InvitationSeen(Invitation):
    """The invitee has seen the pending invitation."""


class InvitationAccepted(Invitation):
    """The invitee accepted and has a seat."""


class InvitationDeclined(Invitation):
    """The invitee declined."""


class InvitationCancelled(Invitation):
    """The host or the system cancelled the invitation; `closeReason` gives the cause."""


class InvitationExpired(Invitation):
    """The invitation expired; `updatedAt` is its `expiresAt`."""


class CoHostLeft(Message):
    """A seat ended."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    reason: LeaveReason
    left_at: Timestamp
    removed_by: Id | None = None


class StageArranged(Message):
    """The host arranged the stage: `userIds` are all seated co-hosts, in their new order."""

    room_id: Id
    user_ids: Annotated[tuple[Id, ...], Strict(strict=False)]
    arranged_by: Id
    arranged_at: Timestamp


class Permissions(Message):
    """A participant's LiveKit permissions."""

    can_publish: bool
    can_publish_data: bool
    can_subscribe: bool
    can_publish_sources: TrackSources


class GrantProvisioned(Message):
    """A co-host's permissions are applied, or come with the token of the next join."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    mode: Literal["in_place", "on_join"]
    permissions: Permissions
    provisioned_at: Timestamp


class GrantRevoked(Message):
    """The permissions of an ended seat were revoked."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    reason: LeaveReason
    mode: Literal["in_place", "absent", "room_deleted"]
    revoked_at: Timestamp


class GrantFailed(Message):
    """LiveKit did not accept the grant; a retryable grant is retried without limit."""

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
    """A seated co-host disconnected; the seat is kept until `graceEndsAt`."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp
    grace_ends_at: Timestamp


class CoHostReconnected(Message):
    """A disconnected co-host connected again."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp


class CoHostLost(Message):
    """The grace period is over; broadcast asks to release the seat."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    at: Timestamp


class HostConnected(Message):
    """The host's first connection since the room opened or the host changed."""

    room_id: Id
    user_id: Id
    at: Timestamp


class HostDisconnected(Message):
    """The host of an open room disconnected."""

    room_id: Id
    user_id: Id
    at: Timestamp


class HostReconnected(Message):
    """A disconnected host connected again."""

    room_id: Id
    user_id: Id
    at: Timestamp


class CoHostMediaChanged(Message):
    """The sources that a seated co-host publishes, and those of them whose tracks are all muted."""

    room_id: Id
    user_id: Id
    invitation_id: Id
    published: TrackSources
    muted: TrackSources
    at: Timestamp


class ParticipantQualityChanged(Message):
    """The connection quality that the host or a co-host has reported for a while, other than before.

    `round_trip_ms` is the last report's, `since` the time of the first report of this quality.
    """

    room_id: Id
    user_id: Id
    quality: ConnectionQuality
    round_trip_ms: RoundTripMs | None = None
    since: Timestamp


class RecordingFinished(Message):
    """A recording of the room ended; `files` are the locations of its files."""

    room_id: Id
    egress_id: str
    status: RecordingStatus
    files: Annotated[tuple[str, ...], Strict(strict=False)]
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None


class CoHostMuted(Message):
    """A mute command took effect."""

    room_id: Id
    user_id: Id
    source: MuteSource
    hard: bool
    by: Id


class CoHostUnmuteRequested(Message):
    """A hard mute was lifted and the co-host was asked to unmute."""

    room_id: Id
    user_id: Id
    source: MuteSource
    by: Id


class IntruderRemoved(Message):
    """A participant with publish or data permission or tracks but without a seat lost them.

    `identity` is LiveKit's, cut at 256 code points, and empty in events from before it was added; `user_id`
    is null where the identity is no id.
    """

    room_id: Id
    user_id: Id | None = None
    identity: Text = ""
    action: Literal["demoted", "removed"]
    at: Timestamp


class BadgeChanged(Message):
    """A user's badge in a room."""

    room_id: Id
    user_id: Id
    badge: Badge
    invitation_id: Id | None = None
    since: Timestamp


InvitationEvent = (
    InvitationSent
    | InvitationResent
    | InvitationSeen
    | InvitationAccepted
    | InvitationDeclined
    | InvitationCancelled
    | InvitationExpired
)

INVITATIONS: tuple[type[Message], ...] = (
    StageChanged,
    InvitationSent,
    InvitationResent,
    InvitationSeen,
    InvitationAccepted,
    InvitationDeclined,
    InvitationCancelled,
    InvitationExpired,
    CoHostLeft,
    StageArranged,
)
BROADCAST: tuple[type[Message], ...] = (
    GrantProvisioned,
    GrantRevoked,
    GrantFailed,
    CoHostConnected,
    CoHostDisconnected,
    CoHostReconnected,
    CoHostLost,
    HostConnected,
    HostDisconnected,
    HostReconnected,
    CoHostMediaChanged,
    ParticipantQualityChanged,
    RecordingFinished,
    CoHostMuted,
    CoHostUnmuteRequested,
    IntruderRemoved,
)
BADGES: tuple[type[Message], ...] = (BadgeChanged,)
REJECTIONS: tuple[type[Message], ...] = (CommandRejected,)
