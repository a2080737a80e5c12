"""HTTP response bodies of the services (contract, section 5), except invitations and their lists.

A default stands for null: a service writes every field, and a reader treats an absent field as null.
"""

from typing import Annotated, Literal

from pydantic import Strict

from cohost_schemas.events import Permissions
from cohost_schemas.signals import Tracks
from cohost_schemas.types import (
    Badge,
    ConnectionStatus,
    GrantStatus,
    Message,
    MuteSource,
    Role,
    RoomStatus,
    Timestamp,
)
from cohost_schemas.types import StoredId as Id


class CommandOutcome(Message):
    """The outcome of a command; `events` are wire types, `invitationId` is the invitation concerned."""

    command_id: str
    command_type: str
    outcome: Literal["accepted", "rejected"]
    decided_at: Timestamp
    room_id: Id | None = None
    invitation_id: Id | None = None
    events: Annotated[tuple[str, ...], Strict(strict=False)]
    reason: str | None = None
    message: str | None = None


class CoHost(Message):
    """A user with a seat, and the time at which the seat began."""

    user_id: Id
    invitation_id: Id
    since: Timestamp


class CoHosts(Message):
    """All users with a seat, newest first."""

    items: Annotated[tuple[CoHost, ...], Strict(strict=False)]


class BroadcastData(Message):
    """Data for a connection to LiveKit; `token` is short-lived and secret."""

    room_id: Id
    user_id: Id
    role: Role
    server_url: str
    token: str
    expires_at: Timestamp
    livekit_room: str
    permissions: Permissions


class OnStage(Message):
    """A user with a badge; `graceEndsAt` is set while a disconnected co-host's seat is kept."""

    user_id: Id
    role: Badge
    badge: Badge
    invitation_id: Id | None = None
    since: Timestamp
    grant: GrantStatus
    connection: ConnectionStatus
    grace_ends_at: Timestamp | None = None
    tracks: Tracks
    hard_muted: Annotated[tuple[MuteSource, ...], Strict(strict=False)]


class Stage(Message):
    """A room and the users on its stage: the host first, then ordered by `since`."""

    room_id: Id
    status: RoomStatus
    items: Annotated[tuple[OnStage, ...], Strict(strict=False)]
