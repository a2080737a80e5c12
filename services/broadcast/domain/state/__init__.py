"""A room's stage: the rights that its members should have, those that LiveKit confirmed, and connections."""

from services.broadcast.domain.state.member import (
    CoHostState,
    Media,
    Member,
    MemberKey,
    OneOffAction,
    PendingRevocation,
    Presence,
    Quality,
    ReleaseRequest,
    Seat,
    SeatTimeouts,
    UnpublishedQuality,
)
from services.broadcast.domain.state.room import Intrusion, Room
from services.broadcast.domain.state.stage import Stage, mark_out_of_sync

__all__ = [
    "CoHostState",
    "Intrusion",
    "Media",
    "Member",
    "MemberKey",
    "OneOffAction",
    "PendingRevocation",
    "Presence",
    "Quality",
    "ReleaseRequest",
    "Room",
    "Seat",
    "SeatTimeouts",
    "Stage",
    "UnpublishedQuality",
    "mark_out_of_sync",
]
