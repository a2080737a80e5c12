"""Simulated room of the benchmark: its expected state if all commands are decided in order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

ACCEPTED = "accepted"
MAX_CO_HOSTS = 3
BANNED_USER = "banned"
UNKNOWN_USER = "nobody"


class PlannedCommand(NamedTuple):
    """A command before encoding; `expected` is `accepted` or the expected rejection reason."""

    id: str
    name: str
    room_id: str
    data: Mapping[str, Any]
    expected: str


@dataclass
class SimulatedRoom:
    """A room; `pending` and `seats` map user to invitation, `closed` holds past (user, invitation) pairs."""

    room_id: str
    users: list[str]
    random: Random
    new_id: Callable[[], str]
    pending: dict[str, str] = field(default_factory=dict)
    seats: dict[str, str] = field(default_factory=dict)
    closed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def host_id(self) -> str:
        """The user id of the host."""
        return f"host-{self.room_id}"

    def new_command(self, name: str, expected: str = ACCEPTED, **data: Any) -> PlannedCommand:
        """Return a new command of this room."""
        return PlannedCommand(self.new_id(), name, self.room_id, {"roomId": self.room_id, **data}, expected)

    def invite_user(self, user: str, *, actor: str | None = None, expected: str = ACCEPTED) -> PlannedCommand:
        """Return a command that invites a user; the default actor is the host."""
        return self.new_command("SendInvitation", expected, userId=user, actorId=actor or self.host_id)

    def answer_invitation(
        self, name: str, actor: str, invitation_id: str, expected: str = ACCEPTED
    ) -> PlannedCommand:
        """Return a command about an existing invitation."""
        return self.new_command(name, expected, invitationId=invitation_id, actorId=actor)

    def pick_pending(self) -> tuple[str, str] | None:
        """Return a random user with a pending invitation, and the invitation."""
        return self._pick(self.pending)

    def pick_seated(self) -> tuple[str, str] | None:
        """Return a random co-host, and the invitation."""
        return self._pick(self.seats)

    def close_invitation(self, user: str) -> str:
        """Move a user's pending invitation to the closed ones and return its id."""
        invitation_id = self.pending.pop(user)
        self.closed.append((user, invitation_id))
        return invitation_id

    def _pick(self, of: dict[str, str]) -> tuple[str, str] | None:
        return self.random.choice(list(of.items())) if of else None
