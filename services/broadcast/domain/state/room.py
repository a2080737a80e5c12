"""A room as invitations publishes it, and the state of its LiveKit room."""

from dataclasses import dataclass, replace

from cohost_schemas import timestamps
from cohost_schemas.envelope import Correlation
from cohost_schemas.types import ConnectionStatus, RoomStatus
from services.broadcast.domain.state.member import PendingRevocation, last_correlation

_INTRUSION_SECONDS = 3600
_MAX_INTRUSIONS = 64


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
    `announced_host_connection` is the state in the last event about the present host's connection, and
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
        return last_correlation(self.pending_revocations)

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
