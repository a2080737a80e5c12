"""A room's stage: the rights that its members should have, those that LiveKit confirmed, and connections.

A member's *rights* are the LiveKit permissions and the badge that follow from the stage. `desired_version`
grows with every change of them and is unique in its room; `applied_version` is the newest one that LiveKit
confirmed. Where the two differ, the reconciler has work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from cohost_schemas import timestamps
from cohost_schemas.commands import ReleaseReason
from cohost_schemas.envelope import Correlation
from cohost_schemas.signals import Track
from cohost_schemas.types import (
    Badge,
    ConnectionStatus,
    LeaveReason,
    MuteSource,
    RoomStatus,
    TrackSource,
)

_INTRUSION_SECONDS = 3600
_MAX_INTRUSIONS = 64


class MemberKey(NamedTuple):
    """The key of a user in a room. Without a user id it is the key of the room itself."""

    room_id: str
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class SeatTimeouts:
    """The seconds that a seat is kept for a co-host who is not connected.

    `grace_seconds` is for a co-host who disconnected. `no_show_seconds` is for one who has not connected yet
    while the room is live; 0 means no limit.
    """

    grace_seconds: int
    no_show_seconds: int


@dataclass(frozen=True, slots=True)
class PendingRevocation:
    """A seat that ended, until LiveKit confirms that its rights are revoked.

    `correlation` is that of the record that ended it.
    """

    user_id: str
    invitation_id: str
    reason: LeaveReason
    correlation: Correlation | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A request to invitations to end a seat: the `ReleaseSeat` command with this id, and its reason."""

    reason: ReleaseReason
    command_id: str


@dataclass(frozen=True, slots=True)
class Media:
    """The sources that a user publishes, and those of them whose tracks are all muted."""

    published: tuple[TrackSource, ...] = ()
    muted: tuple[TrackSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Seat:
    """A co-host's seat. `no_show_at` is the deadline for the first connection, None when there is none.

    `correlation` is that of the acceptance. `place` sorts a stage's seats; there may be gaps between places.
    The seats of before version 1.1 have 0 until the stage is arranged. `announced_media` is the media of the
    seat's last `CoHostMediaChanged`.
    """

    invitation_id: str
    since: str
    hard_muted: tuple[MuteSource, ...] = ()
    provisioned: bool = False
    no_show_at: str | None = None
    release: ReleaseRequest | None = None
    correlation: Correlation | None = None
    label: str | None = None
    place: int = 0
    announced_media: Media = Media()


@dataclass(frozen=True, slots=True)
class Presence:
    """The connection of a host or co-host.

    `sid` is LiveKit's id of the connection, `ended_sids` are the ids of the latest ones that ended.
    `changed_at_offset` is the offset of the signal that last changed the presence, `absent_since_snapshot`
    the id of the snapshot (or of the webhook) since which the participant may be absent.
    """

    state: ConnectionStatus = "never"
    sid: str | None = None
    ended_sids: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = ()
    grace_ends_at: str | None = None
    absent_since_snapshot: str | None = None
    changed_at_offset: int = -1

    @property
    def is_connected(self) -> bool:
        """Return whether the user is connected."""
        return self.state == "connected"


@dataclass(frozen=True, slots=True)
class OneOffAction:
    """A LiveKit call to make once for a co-host.

    `command_id` is the id of the command that requested it, `correlation` that command's.
    """

    command_id: str
    kind: Literal["mute", "request_unmute"]
    source: MuteSource
    actor_id: str
    requested_at: str
    correlation: Correlation | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A user with a place on the stage, or with work on LiveKit that is not finished.

    `suspect` marks a user without a seat who seems to have rights: they are checked on LiveKit before the
    rights are revoked. `confirmed_intruder` says that LiveKit showed the rights. `failing` says that applying
    the rights failed and has not succeeded since. `pending_revocations` are the ended seats without a
    `GrantRevoked` yet. `correlation` is that of the record that last changed the desired rights.
    """

    user_id: str
    seat: Seat | None = None
    presence: Presence = field(default_factory=Presence)
    desired_version: int = 0
    applied_version: int = 0
    failing: bool = False
    suspect: bool = False
    confirmed_intruder: bool = False
    pending_revocations: tuple[PendingRevocation, ...] = ()
    actions: tuple[OneOffAction, ...] = ()
    correlation: Correlation | None = None

    @property
    def work_correlation(self) -> Correlation | None:
        """Return the correlation that reports on the rights carry, None if it is unknown."""
        present = self.correlation or (self.seat.correlation if self.seat is not None else None)
        return present or _last_correlation(self.pending_revocations)

    @property
    def has_rights_in_sync(self) -> bool:
        """Return whether LiveKit confirmed the newest desired rights."""
        return self.desired_version == self.applied_version

    @property
    def is_out_of_sync(self) -> bool:
        """Return whether there are rights to apply or actions to run on LiveKit."""
        return not self.has_rights_in_sync or bool(self.actions)

    @property
    def seat_deadline(self) -> str | None:
        """Return when the seat is released if its co-host does not connect, None if no timeout is running."""
        if self.seat is None or self.seat.release is not None:
            return None
        return self.presence.grace_ends_at or self.seat.no_show_at

    @property
    def is_release_pending(self) -> bool:
        """Return whether the release of the seat was requested and has not happened yet."""
        return self.seat is not None and self.seat.release is not None


@dataclass(frozen=True, slots=True)
class Intrusion:
    """A published intrusion: LiveKit's identity and id of the connection (None if unknown), and the time."""

    identity: str
    sid: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Room:
    """A room as invitations publishes it, and the state of its LiveKit room.

    `latest_version` is the newest desired version in the room. `deletion_version` is the desired version that
    deletes the LiveKit room, None when no deletion is pending; `pending_revocations` are the seats whose
    rights end with it. `room_sid` is LiveKit's id of the present LiveKit room, `finished_room_sids` are the
    ids of the latest ones that ended, and `room_sid_offset` is the offset of the signal that last changed
    either. `recent_webhook_ids` are the ids of the latest webhooks that changed anything. `rights_ended_at`
    is when a seat or the previous host's rights last ended, `intrusions` are the latest ones within an hour.
    `announced_host_connection` is what the last event about the present host's connection said, and
    `finished_egress_ids` are the latest recordings that were published.
    """

    room_id: str
    lane: int
    host_id: str
    host_since: str
    status: RoomStatus
    is_open: bool = False
    latest_version: int = 0
    deletion_version: int | None = None
    pending_revocations: tuple[PendingRevocation, ...] = ()
    room_sid: str | None = None
    finished_room_sids: tuple[str, ...] = ()
    room_sid_offset: int = -1
    recent_webhook_ids: tuple[str, ...] = ()
    rights_ended_at: str | None = None
    intrusions: tuple[Intrusion, ...] = ()
    announced_host_connection: ConnectionStatus = "never"
    finished_egress_ids: tuple[str, ...] = ()

    @property
    def work_correlation(self) -> Correlation | None:
        """Return the correlation that reports on the deletion carry, None if it is unknown."""
        return _last_correlation(self.pending_revocations)

    @property
    def is_deletion_pending(self) -> bool:
        """Return whether the LiveKit room is to be deleted."""
        return self.deletion_version is not None

    @property
    def can_apply_rights(self) -> bool:
        """Return whether members may have work on LiveKit.

        They have none in a closed room, nor in one whose LiveKit room is about to be deleted.
        """
        return self.is_open and not self.is_deletion_pending

    def has_intruded(self, identity: str, at: str) -> bool:
        """Return whether an intrusion of this identity was published within the hour before `at`."""
        return any(past.identity == identity for past in _recent_intrusions(self, at))

    def with_intrusion(self, intrusion: Intrusion) -> "Room":
        """Return the room with one more published intrusion."""
        kept = (*_recent_intrusions(self, intrusion.at), intrusion)[-_MAX_INTRUSIONS:]
        return replace(self, intrusions=kept)


def _recent_intrusions(room: Room, at: str) -> tuple[Intrusion, ...]:
    earliest = timestamps.add_seconds(at, -_INTRUSION_SECONDS)
    return tuple(past for past in room.intrusions if past.at > earliest)


@dataclass(frozen=True, slots=True)
class Stage:
    """A room with all its members by user id."""

    room: Room
    members: Mapping[str, Member]

    def member_or_empty(self, user_id: str) -> Member:
        """Return the member, or an empty one for a user that the room does not know."""
        return self.members.get(user_id) or Member(user_id)

    @property
    def sorted_members(self) -> list[Member]:
        """Return the members sorted by user id, so that the order of events does not depend on storage."""
        return [self.members[user_id] for user_id in sorted(self.members)]

    @property
    def seated_members(self) -> list[tuple[Member, Seat]]:
        """Return the members with a seat and their seats, in the speaking order."""
        seated = [(member, member.seat) for member in self.members.values() if member.seat is not None]
        return sorted(seated, key=lambda entry: (entry[1].place, entry[1].since, entry[0].user_id))

    def badge_of(self, user_id: str) -> Badge | None:
        """Return the user's badge in this room, which is also their role; None for a viewer."""
        return _badge(self.room, user_id, self.members.get(user_id))

    def with_room(self, room: Room) -> "Stage":
        """Return the stage with this room."""
        return Stage(room, self.members)

    def with_members(self, *changed: Member) -> "Stage":
        """Return the stage with these members replaced; members without state worth keeping are dropped."""
        members = dict(self.members)
        for member in changed:
            if _can_drop(self.room, member):
                members.pop(member.user_id, None)
            else:
                members[member.user_id] = member
        return Stage(self.room, members)


def mark_out_of_sync(stage: Stage, *user_ids: str, correlation: Correlation | None = None) -> Stage:
    """Give each user a new desired version, so that the reconciler applies the rights of this stage.

    `correlation` is that of the record that changed the rights; a report of LiveKit has none.
    """
    version = stage.room.latest_version
    changed = []
    for user_id in user_ids:
        version += 1
        member = stage.member_or_empty(user_id)
        changed.append(replace(member, desired_version=version, correlation=correlation))
    return stage.with_room(replace(stage.room, latest_version=version)).with_members(*changed)


def _last_correlation(revocations: tuple[PendingRevocation, ...]) -> Correlation | None:
    return revocations[-1].correlation if revocations else None


def _badge(room: Room, user_id: str, member: Member | None) -> Badge | None:
    if room.is_open and room.host_id == user_id:
        return "host"
    return "coHost" if member is not None and member.seat is not None else None


def _can_drop(room: Room, member: Member) -> bool:
    return not (
        _badge(room, member.user_id, member)
        or member.is_out_of_sync
        or member.pending_revocations
        or member.suspect
    )
