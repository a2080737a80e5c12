"""What a batch's commands will ask for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from messaging.domain import Incoming
from schemas.commands import (
    AcceptInvitation,
    CancelInvitation,
    DeclineInvitation,
    ExcludeUser,
    ExpireInvitation,
    SendInvitation,
)
from schemas.types import Message
from services.invitations.stage import Stage

# A pydantic class answers isinstance slowly where the answer is no: types are compared instead.
_BY_INVITATION = frozenset({AcceptInvitation, DeclineInvitation, CancelInvitation, ExpireInvitation})
_USERS: dict[type, Callable[[Any], str]] = {
    SendInvitation: attrgetter("user_id"),
    AcceptInvitation: attrgetter("actor_id"),
    ExcludeUser: attrgetter("user_id"),
}


def user_of(data: Message | None) -> str | None:
    """Return the user whose standing decides a command, if it is decided by one."""
    user = _USERS.get(type(data))
    return None if user is None else user(data)


@dataclass(slots=True)
class Needs:
    """The users that a batch asks for, and what of closed and last invitations its stages lack.

    Invitations are by their id and the room that they are sought in; last ones by the room and the user.
    """

    users: set[str] = field(default_factory=set)
    invitations: dict[tuple[str, str], Stage] = field(default_factory=dict)
    last: dict[tuple[str, str], Stage] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Sequence[Incoming], stages: Mapping[str, Stage]) -> "Needs":
        """Go through the batch."""
        needs = cls()
        sent = {incoming.id for incoming in batch if type(incoming.data) is SendInvitation}
        for incoming in batch:
            data: Any = incoming.data
            kind = type(data)
            if kind is SendInvitation:
                needs._ask_for_last(data.user_id, incoming.key, stages[incoming.key])
            elif kind in _BY_INVITATION and data.invitation_id not in sent:
                needs._ask_for(data.invitation_id, incoming.key, stages[incoming.key])
            if (user_id := user_of(data)) is not None:
                needs.users.add(user_id)
        return needs

    def _ask_for_last(self, user_id: str, room_id: str, stage: Stage) -> None:
        if not stage.complete and user_id not in stage.last:
            self.last[room_id, user_id] = stage

    def _ask_for(self, invitation_id: str, room_id: str, stage: Stage) -> None:
        if invitation_id not in stage.pending and invitation_id not in stage.closed:
            self.invitations[invitation_id, room_id] = stage
