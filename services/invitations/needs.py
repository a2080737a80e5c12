"""Find out which users and invitations a batch's commands need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from messaging.domain import InputRecord
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

# A negative isinstance on a pydantic class is slow: compare types instead.
_BY_INVITATION = frozenset({AcceptInvitation, DeclineInvitation, CancelInvitation, ExpireInvitation})
_USERS: dict[type, Callable[[Any], str]] = {
    SendInvitation: attrgetter("user_id"),
    AcceptInvitation: attrgetter("actor_id"),
    ExcludeUser: attrgetter("user_id"),
}


def user_of(data: Message | None) -> str | None:
    """Return the user whose eligibility a command depends on, or None."""
    user = _USERS.get(type(data))
    return None if user is None else user(data)


@dataclass(slots=True)
class Needs:
    """The users that a batch needs, and the closed and last invitations that its stages lack.

    `closed_invitations` has keys (invitation id, room id), `last_invitations` (room id, user id). Each value
    is the stage to load into.
    """

    users: set[str] = field(default_factory=set)
    invitations: dict[tuple[str, str], Stage] = field(default_factory=dict)
    last: dict[tuple[str, str], Stage] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Sequence[InputRecord], stages: Mapping[str, Stage]) -> "Needs":
        """Return the queries for a batch's commands."""
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
