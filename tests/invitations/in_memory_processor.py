"""The processor without a database, fed record by record; time and ids come from the test."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cohost_schemas import topics
from cohost_schemas.commands import SendInvitation
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.invitation import Invitation
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.processor import InputRecord, Rejection
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import Policy, Seat
from services.invitations.processor import InvitationsProcessor
from services.invitations.stage_cache import StageCache

ROOM = "room-1"
HOST = "alice"
GUEST = "bob"
EXPIRY_SECONDS = 60

DecisionResult = list[Message | None] | Rejection


def time_at(second: float) -> str:
    """Return the timestamp `second` seconds after noon."""
    minutes, seconds = divmod(second, 60)
    return f"2026-01-01T12:{int(minutes):02d}:{seconds:06.3f}Z"


def invitation_fields(identifier: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of an invitation, by default a pending one from the host to the guest at second 0."""
    defaults = {
        "invitation_id": identifier,
        "room_id": ROOM,
        "user_id": GUEST,
        "invited_by": HOST,
        "status": "pending",
        "sent_at": time_at(0),
        "expires_at": time_at(EXPIRY_SECONDS),
        "responded_at": None,
        "updated_at": time_at(0),
        "close_reason": None,
        "message": None,
        "previous_invitation_id": None,
        "label": None,
        "times_sent": 1,
        "resent_at": None,
        "seen_at": None,
    }
    return {**defaults, **fields}


def shown_invitation(rejection: Any) -> dict[str, Any] | None:
    """Return the fields of the invitation shown by a rejection, or None."""
    assert isinstance(rejection, Rejection)
    return None if rejection.current is None else dict(vars(rejection.current))


@dataclass
class InMemoryProcessor:
    """A worker's processor whose cache is complete: a room or user not in it does not exist."""

    policy: Policy = field(default_factory=Policy)
    cache: StageCache = field(default_factory=StageCache)
    offsets: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.processor = InvitationsProcessor(self.policy, self.cache, clock=lambda: 0.0)
        self.changes = self.processor.new_changes()

    def decide_record(
        self, topic: Topic, key: str, data: Message | None, second: float, identifier: str
    ) -> DecisionResult:
        """Decide one record; return the data of its events or its rejection."""
        if topic is not topics.USERS and self.cache.mark_used([key]):
            self.cache.add_stage(key, Stage(0, has_full_history=True))
        incoming = InputRecord(0, topic, next(self.offsets), time_at(second), key, identifier, data)
        outcome = self.processor.decide(incoming, self.changes)
        return outcome if isinstance(outcome, Rejection) else [event.data for event in outcome]

    def set_room(
        self, status: str = "live", second: float = 0, *, host: str = HOST, room: str = ROOM, seats: int = 5
    ) -> DecisionResult:
        """Decide a `RoomChanged`."""
        data = RoomChanged.model_validate(
            {"roomId": room, "hostId": host, "status": status, "maxCoHosts": seats}
        )
        return self.decide_record(topics.ROOMS, room, data, second, "room-fact")

    def delete_room(self, second: float = 0, room: str = ROOM) -> DecisionResult:
        """Decide a room's tombstone."""
        return self.decide_record(topics.ROOMS, room, None, second, "rooms:0:1")

    def set_user(self, user: str = GUEST, status: str = "active", **more: Any) -> DecisionResult:
        """Decide a `UserChanged`."""
        data = UserChanged.model_validate({"userId": user, "status": status, **more})
        return self.decide_record(topics.USERS, user, data, 0, "user-fact")

    def delete_user(self, user: str = GUEST) -> DecisionResult:
        """Decide a user's tombstone."""
        return self.decide_record(topics.USERS, user, None, 0, "users:0:1")

    def decide_command(self, command: Any, second: float = 0, identifier: str = "command") -> DecisionResult:
        """Decide a command."""
        return self.decide_record(topics.INVITATION_COMMANDS, command.room_id, command, second, identifier)

    def send_invitation(
        self, identifier: str = "i1", second: float = 0, *, user: str = GUEST, room: str = ROOM
    ) -> DecisionResult:
        """Decide a `SendInvitation` by the host that lasts a minute."""
        command = SendInvitation(room_id=room, user_id=user, actor_id=HOST, expires_in_seconds=EXPIRY_SECONDS)
        return self.decide_command(command, second, identifier)

    def stage_of(self, room: str = ROOM) -> Stage:
        """Return a room's stage."""
        return self.cache.stages[room]

    def pending_invitations(self, room: str = ROOM) -> list[Invitation]:
        """Return the room's pending invitations."""
        return list(self.stage_of(room).pending_by_id.values())

    def seats_of(self, room: str = ROOM) -> dict[str, Seat]:
        """Return the room's seats by user."""
        return self.stage_of(room).seats
