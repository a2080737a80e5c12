"""A user on a stage: the seat, the connection, and the work on LiveKit that is not finished.

A member's *rights* are the LiveKit permissions and the badge that follow from the stage. `desired_version`
grows with every change of them and is unique in its room; `applied_version` is the newest one that LiveKit
confirmed. Where the two differ, the reconciler has work.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cohost_schemas import timestamps
from cohost_schemas.commands import ReleaseReason
from cohost_schemas.envelope import Correlation
from cohost_schemas.signals import Track
from cohost_schemas.types import ConnectionQuality, ConnectionStatus, LeaveReason, MuteSource, TrackSource

_QUALITY_SECONDS = 5
"""How long a quality other than the published one must be reported until it is published."""

CoHostState = Literal["connected", "in_grace", "hard_muted"]


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
    seat's last `CoHostMediaChanged`, `provisioned_at` the time of its `GrantProvisioned`. `has_published` is
    set by the first track, for good.
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
    provisioned_at: str | None = None
    has_published: bool = False

    @property
    def has_had_track(self) -> bool:
        """Return whether the seat has had a track; earlier versions stored only the tracks of now."""
        return self.has_published or bool(self.announced_media.published)


@dataclass(frozen=True, slots=True)
class Presence:
    """The connection of a host or co-host; `since` is when the state last changed.

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
    since: str | None = None

    @property
    def is_connected(self) -> bool:
        """Return whether the user is connected."""
        return self.state == "connected"


@dataclass(frozen=True, slots=True)
class UnpublishedQuality:
    """A reported quality other than the published one, since its first report without another in between.

    `round_trip_ms` is the last report's.
    """

    quality: ConnectionQuality
    round_trip_ms: int | None
    since: str

    @property
    def due_at(self) -> str:
        """Return when the quality is to be published if no other one is reported before."""
        return timestamps.add_seconds(self.since, _QUALITY_SECONDS)


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality that a host or co-host reports of the own connection.

    `published` and `published_since` are those of the last event, `unpublished` is None while the last report
    is of the published quality.
    """

    published: ConnectionQuality | None = None
    published_since: str | None = None
    unpublished: UnpublishedQuality | None = None

    @property
    def is_bad(self) -> bool:
        """Return whether the last published quality is a bad one."""
        return self.published in ("poor", "lost")


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
    rights are revoked. `confirmed_intruder` is set once LiveKit showed the rights. `failing` is set while the
    last attempt to apply the rights failed. `pending_revocations` are the ended seats without a
    `GrantRevoked` yet. `correlation` is that of the record that last changed the desired rights. `quality` is
    kept for as long as the user stays on stage.
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
    quality: Quality = Quality()

    @property
    def quality_due_at(self) -> str | None:
        """Return when the reported quality is to be published, None if it is published already."""
        unpublished = self.quality.unpublished
        return unpublished.due_at if unpublished is not None else None

    @property
    def work_correlation(self) -> Correlation | None:
        """Return the correlation that reports on the rights carry, None if it is unknown."""
        present = self.correlation or (self.seat.correlation if self.seat is not None else None)
        return present or last_correlation(self.pending_revocations)

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
    def co_host_states(self) -> tuple[CoHostState, ...]:
        """Return the states in which a co-host is counted; none for a member without a seat.

        A connection no longer counts once the seat's release was requested: it has no events any more.
        """
        if self.seat is None:
            return ()
        is_kept = self.seat.release is None
        states: tuple[tuple[CoHostState, bool], ...] = (
            ("connected", self.presence.is_connected and is_kept),
            ("in_grace", self.presence.grace_ends_at is not None and is_kept),
            ("hard_muted", bool(self.seat.hard_muted)),
        )
        return tuple(state for state, holds in states if holds)

    @property
    def is_release_pending(self) -> bool:
        """Return whether the release of the seat was requested and has not happened yet."""
        return self.seat is not None and self.seat.release is not None


def last_correlation(revocations: tuple[PendingRevocation, ...]) -> Correlation | None:
    """Return the correlation of the newest revocation, None if it is unknown."""
    return revocations[-1].correlation if revocations else None
