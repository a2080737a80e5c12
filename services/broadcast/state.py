"""What broadcast knows of a room: who should have which rights, what LiveKit confirmed, who is connected.

A *wish* is the rights that a user should have now. Its `version` grows with every change and is unique in its
room; `achieved` is the newest version that LiveKit confirmed. Where the two differ, the reconciler has work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.commands import ReleaseReason
from schemas.signals import Track
from schemas.types import Badge, ConnectionStatus, LeaveReason, MuteSource, RoomStatus


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a seat waits.

    `grace` is for a dropped co-host, `no_show` for one who never came while the room is live (0: for ever).
    """

    grace: int
    no_show: int


@dataclass(frozen=True, slots=True)
class Ending:
    """A seat that ended and whose rights are not known to be gone yet."""

    user_id: str
    invitation_id: str
    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class Release:
    """A seat whose end was asked for, with a command of this id."""

    reason: ReleaseReason
    command_id: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A co-host's seat. `no_show_at` is when waiting for a first connection ends."""

    invitation_id: str
    since: str
    hard_muted: tuple[MuteSource, ...] = ()
    provisioned: bool = False
    no_show_at: str | None = None
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """A host's or co-host's connection.

    `sid` is LiveKit's name for it, `ended` those of the last that are over. `changed` is the offset of the
    signal that said so, `missing` the look that has not found it once.
    """

    state: ConnectionStatus = "never"
    sid: str | None = None
    ended: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = ()
    grace_ends_at: str | None = None
    missing: str | None = None
    changed: int = -1

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self.state == "connected"


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to do once on LiveKit for a co-host; `id` is the command's."""

    id: str
    kind: Literal["mute", "ask_unmute"]
    source: MuteSource
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user of whom the room knows something.

    `suspect` is somebody without a seat who seems to have rights: to be looked at before they are taken.
    It is `seen` once LiveKit has shown them. `revoking` are seats that ended whose `GrantRevoked` is owed.
    """

    user_id: str
    seat: Seat | None = None
    presence: Presence = field(default_factory=Presence)
    version: int = 0
    achieved: int = 0
    failed: bool = False
    suspect: bool = False
    seen: bool = False
    revoking: tuple[Ending, ...] = ()
    errands: tuple[Errand, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether LiveKit confirmed the newest wish."""
        return self.version == self.achieved

    @property
    def pending(self) -> bool:
        """Whether there is something to do on LiveKit."""
        return not self.settled or bool(self.errands)

    @property
    def deadline(self) -> str | None:
        """When the seat's patience ends, if it is running."""
        if self.seat is None or self.seat.release is not None:
            return None
        return self.presence.grace_ends_at or self.seat.no_show_at


@dataclass(frozen=True, slots=True)
class Room:
    """A room as invitations' events tell of it, and what is to become of its LiveKit room.

    `deletion` is the version of the wish that LiveKit has no such room, None where it is not wished or done;
    `endings` are the seats whose rights go with it. `finished` are the last sids of LiveKit rooms that are
    over; `named` is the offset of the signal that last said which one is, or is over. `heard` are the ids of
    the last webhooks that changed anything.
    """

    room_id: str
    lane: int
    host_id: str
    host_since: str
    status: RoomStatus
    open: bool = False
    version: int = 0
    deletion: int | None = None
    endings: tuple[Ending, ...] = ()
    room_sid: str | None = None
    finished: tuple[str, ...] = ()
    named: int = -1
    heard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A room with all its members by user id."""

    room: Room
    members: Mapping[str, Member]

    def member(self, user_id: str) -> Member:
        """Return what the room knows of a user."""
        return self.members.get(user_id) or Member(user_id)

    @property
    def in_order(self) -> list[Member]:
        """The members in the one order in which more than one is told of, whatever memory or Postgres has."""
        return [self.members[user_id] for user_id in sorted(self.members)]

    def badge(self, user_id: str) -> Badge | None:
        """Return what a user is in this room, which is also the badge that is worn."""
        return _badge(self.room, user_id, self.members.get(user_id))

    def with_room(self, room: Room) -> "Stage":
        """Return the stage with its room changed."""
        return Stage(room, self.members)

    def with_members(self, *changed: Member) -> "Stage":
        """Return the stage with these members, but without those of whom nothing needs to be known."""
        members = dict(self.members)
        for member in changed:
            if _idle(self.room, member):
                members.pop(member.user_id, None)
            else:
                members[member.user_id] = member
        return Stage(self.room, members)


def wish(stage: Stage, *user_ids: str) -> Stage:
    """Wish that these users have exactly the rights that are theirs now, whatever was wished before."""
    version = stage.room.version
    changed = []
    for user_id in user_ids:
        version += 1
        changed.append(replace(stage.member(user_id), version=version))
    return stage.with_room(replace(stage.room, version=version)).with_members(*changed)


def _badge(room: Room, user_id: str, member: Member | None) -> Badge | None:
    if room.open and room.host_id == user_id:
        return "host"
    return "coHost" if member is not None and member.seat is not None else None


def _idle(room: Room, member: Member) -> bool:
    return not (_badge(room, member.user_id, member) or member.pending or member.revoking or member.suspect)
