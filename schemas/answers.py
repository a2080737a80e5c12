"""What the services answer over HTTP (contract, section 5), invitations and their lists aside.

A default stands where null does: a service names every field, and a reader takes an absent one for null.
"""

from typing import Annotated, Literal

from pydantic import Strict

from schemas.events import Permissions
from schemas.signals import Tracks
from schemas.types import (
    Badge,
    ConnectionStatus,
    GrantStatus,
    Id,
    Message,
    MuteSource,
    Role,
    RoomStatus,
    Timestamp,
)


class CommandOutcome(Message):
    """What became of a command; `events` are wire types, `invitationId` is what it made or was about."""

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
    """Somebody who has a seat, and since when."""

    user_id: Id
    invitation_id: Id
    since: Timestamp


class CoHosts(Message):
    """Everybody who has a seat, the newest first."""

    items: Annotated[tuple[CoHost, ...], Strict(strict=False)]


class BroadcastData(Message):
    """What a client needs to connect to LiveKit: `token` is short-lived and secret."""

    room_id: Id
    user_id: Id
    role: Role
    server_url: str
    token: str
    expires_at: Timestamp
    livekit_room: str
    permissions: Permissions


class OnStage(Message):
    """Somebody who wears a badge; `graceEndsAt` is set while a dropped co-host's seat waits."""

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
    """A room, and who is on its stage: the host first, then by the time since when."""

    room_id: Id
    status: RoomStatus
    items: Annotated[tuple[OnStage, ...], Strict(strict=False)]
