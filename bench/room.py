"""A room of the benchmark: what its commands have made of it so far, if they are decided in order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

ACCEPTED = "accepted"
MAX_CO_HOSTS = 3
BANNED = "banned"
STRANGER = "nobody"


class Command(NamedTuple):
    """A command before it is encoded; `expected` is `accepted` or the reason of its refusal."""

    id: str
    name: str
    room_id: str
    data: Mapping[str, Any]
    expected: str


@dataclass
class Room:
    """Who waits and who sits, each with the invitation; `closed` are past invitations with their users."""

    room_id: str
    users: list[str]
    random: Random
    new_id: Callable[[], str]
    pending: dict[str, str] = field(default_factory=dict)
    seats: dict[str, str] = field(default_factory=dict)
    closed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The room's host."""
        return f"host-{self.room_id}"

    def command(self, name: str, expected: str = ACCEPTED, **data: Any) -> Command:
        """Return a new command of this room."""
        return Command(self.new_id(), name, self.room_id, {"roomId": self.room_id, **data}, expected)

    def invite(self, user: str, *, actor: str | None = None, expected: str = ACCEPTED) -> Command:
        """Return an invitation of a user, by the host where nobody else is named."""
        return self.command("SendInvitation", expected, userId=user, actorId=actor or self.host)

    def answer(self, name: str, actor: str, invitation_id: str, expected: str = ACCEPTED) -> Command:
        """Return a command about an invitation."""
        return self.command(name, expected, invitationId=invitation_id, actorId=actor)

    def waiting(self) -> tuple[str, str] | None:
        """Return one of those who wait, with the invitation."""
        return self._any(self.pending)

    def seated(self) -> tuple[str, str] | None:
        """Return one of the co-hosts, with the invitation."""
        return self._any(self.seats)

    def close(self, user: str) -> str:
        """Take a pending invitation out and return its id."""
        invitation_id = self.pending.pop(user)
        self.closed.append((user, invitation_id))
        return invitation_id

    def _any(self, of: dict[str, str]) -> tuple[str, str] | None:
        return self.random.choice(list(of.items())) if of else None
