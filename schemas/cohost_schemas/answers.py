"""HTTP bodies of the services (contract, section 5), except lists with pages: their answers, and a report.

A default stands for null: a service writes every field, and a reader treats an absent field as null.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Strict

from cohost_schemas.events import Permissions, TrackSources
from cohost_schemas.facts import SeatLimit
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import (
    Badge,
    ConnectionQuality,
    ConnectionStatus,
    Count,
    GrantStatus,
    Message,
    MuteSource,
    Role,
    RoomStatus,
    RoundTripMs,
    StepName,
    StepState,
    Timestamp,
    TrackSource,
)
from cohost_schemas.types import StoredId as Id


class InvitationDetails(Invitation):
    """An invitation, with the room's title and the users' names as they are now; null where unknown."""

    room_title: str | None = None
    inviter_name: str | None = None
    user_name: str | None = None


class RoomSummary(Message):
    """A room by its last fact, and the numbers of its pending invitations and seats.

    `pending` is null for a reader who may not see the room's invitations.
    """

    room_id: Id
    host_id: Id
    title: str | None = None
    status: RoomStatus
    open: bool
    max_co_hosts: SeatLimit
    pending: Count | None = None
    seats: Count


class RoomHost(Message):
    """A room's host from an event on: the `sequence` on `invitations.events`, and the time, of that event.

    The sequence is 0 if the room is older than the record of its hosts.
    """

    host_id: Id
    sequence: Count
    since: Timestamp


class RoomHosts(Message):
    """The hosts that a room has had, oldest first."""

    items: Annotated[tuple[RoomHost, ...], Strict(strict=False)]


class CommandOutcome(Message):
    """The outcome of a command; `events` are wire types, `invitationId` is the invitation concerned."""

    command_id: str
    command_type: str
    outcome: Literal["accepted", "rejected"]
    decided_at: Timestamp
    room_id: Id | None = None
    invitation_id: Id | None = None
    actor_id: Id | None = None
    events: Annotated[tuple[str, ...], Strict(strict=False)]
    reason: str | None = None
    message: str | None = None


class DetailedOutcome(CommandOutcome):
    """The outcome of a command as ops read it; `detail` is the cause of `user_not_eligible`."""

    detail: str | None = None


class CoHost(Message):
    """A user with a seat, the time at which the seat began, and the place in the speaking order, from 1."""

    user_id: Id
    invitation_id: Id
    since: Timestamp
    label: str | None = None
    order: Count = 0


class CoHosts(Message):
    """All users with a seat, in their order."""

    items: Annotated[tuple[CoHost, ...], Strict(strict=False)]


class PublishDefaults(Message):
    """How to publish video: with at most `videoMaxBitrate` bit/s and `videoMaxFramerate` frames a second."""

    video_max_bitrate: Count
    video_max_framerate: Count
    simulcast: bool


class BroadcastData(Message):
    """Data for a connection to LiveKit; `token` is short-lived and secret.

    `publishDefaults` is null for a viewer.
    """

    room_id: Id
    user_id: Id
    role: Role
    server_url: str
    token: str
    expires_at: Timestamp
    livekit_room: str
    permissions: Permissions
    publish_defaults: PublishDefaults | None = None


class QualityReport(Message):
    """A user's report of the quality of the own connection, which holds until the next one."""

    model_config = ConfigDict(extra="forbid")

    quality: ConnectionQuality
    round_trip_ms: RoundTripMs | None = None


class Track(Message):
    """A published track."""

    sid: str
    source: TrackSource | Literal["unknown"]
    muted: bool


class OnStage(Message):
    """A user with a badge; `graceEndsAt` is set while a disconnected co-host's seat is kept.

    `order` is the co-host's place in the speaking order, from 1; the host has 0.
    """

    user_id: Id
    role: Badge
    badge: Badge
    invitation_id: Id | None = None
    since: Timestamp
    grant: GrantStatus
    connection: ConnectionStatus
    grace_ends_at: Timestamp | None = None
    tracks: Annotated[tuple[Track, ...], Strict(strict=False)]
    published: TrackSources
    hard_muted: Annotated[tuple[MuteSource, ...], Strict(strict=False)]
    label: str | None = None
    order: Count = 0


class Stage(Message):
    """A room and the users on its stage: the host first, then the co-hosts in their order."""

    room_id: Id
    status: RoomStatus
    items: Annotated[tuple[OnStage, ...], Strict(strict=False)]


class DiagnosisStep(Message):
    """A step on the way to being on air; `detail` is a reason's word, `advice` a sentence, null where `ok`.

    `waiting` means that someone has yet to act, `failed` that the step ended otherwise.
    """

    step: StepName
    state: StepState
    at: Timestamp | None = None
    detail: str | None = None
    advice: str | None = None


class Diagnosis(Message):
    """Why a user is not on air in a room: the first step that is not `ok`.

    A service answers with the steps that it knows; together, in the order of `StepName`, they are all steps.
    """

    room_id: Id
    user_id: Id
    steps: Annotated[tuple[DiagnosisStep, ...], Strict(strict=False)]
