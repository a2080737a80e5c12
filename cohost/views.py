"""What the services' HTTP answers, as models: unknown fields are ignored (contract, section 5)."""

from typing import Annotated, Literal

from pydantic import Strict

from schemas.events import Permissions
from schemas.types import Badge, Message, Role, RoomStatus, TrackSource

TrackSources = Annotated[tuple[TrackSource, ...], Strict(strict=False)]


class CoHost(Message):
    """Somebody who has a seat."""

    user_id: str
    invitation_id: str
    since: str


class CommandOutcome(Message):
    """What became of a command; `events` are wire types, `invitation_id` what it made or was about."""

    command_id: str
    command_type: str
    outcome: Literal["accepted", "rejected"]
    decided_at: str
    room_id: str | None = None
    invitation_id: str | None = None
    events: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    reason: str | None = None
    message: str | None = None


class BroadcastData(Message):
    """What it takes to connect to LiveKit: `token` is short-lived and secret."""

    room_id: str
    user_id: str
    role: Role
    server_url: str
    token: str
    expires_at: str
    livekit_room: str
    permissions: Permissions


class StageTrack(Message):
    """A published track."""

    sid: str
    source: str
    muted: bool


class StageMember(Message):
    """The host or a co-host as LiveKit has them; `grace_ends_at` is set while a dropped one's seat waits."""

    user_id: str
    role: Literal["host", "coHost"]
    badge: Badge | None = None
    invitation_id: str | None = None
    since: str | None = None
    grant: str | None = None
    connection: str | None = None
    grace_ends_at: str | None = None
    tracks: Annotated[tuple[StageTrack, ...], Strict(strict=False)] = ()
    hard_muted: TrackSources = ()


class Stage(Message):
    """A room's stage."""

    room_id: str
    status: RoomStatus
    items: Annotated[tuple[StageMember, ...], Strict(strict=False)] = ()
