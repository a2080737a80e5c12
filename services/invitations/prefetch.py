"""Collect the users and invitations that a batch's commands need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from cohost_schemas.commands import (
    AcceptInvitation,
    CancelInvitation,
    DeclineInvitation,
    ExcludeUser,
    ExpireInvitation,
    MarkInvitationSeen,
    ResendInvitation,
    SendInvitation,
)
from cohost_schemas.facts import RoomChanged
from cohost_schemas.types import Message
from messaging.processor import InputRecord
from services.invitations.domain.stage import Stage

# A negative isinstance on a pydantic class is slow: compare types instead.
_INVITATION_COMMANDS = frozenset(
    {
        AcceptInvitation,
        DeclineInvitation,
        CancelInvitation,
        ExpireInvitation,
        ResendInvitation,
        MarkInvitationSeen,
    }
)
_USER_GETTERS: dict[type, Callable[[Any], str]] = {
    SendInvitation: attrgetter("user_id"),
    AcceptInvitation: attrgetter("actor_id"),
    ExcludeUser: attrgetter("user_id"),
}


def user_to_check(data: Message | None) -> str | None:
    """Return the user whose eligibility a command depends on, or None."""
    get_user_id = _USER_GETTERS.get(type(data))
    return None if get_user_id is None else get_user_id(data)


@dataclass(slots=True)
class BatchQueries:
    """The users that a batch needs, and the closed and last invitations that its stages lack.

    `hosts_by_user` has, by user id, the hosts to look up in the list of users that this user blocks.
    `closed_invitations` has keys (invitation id, room id), `last_invitations` (room id, user id). Each value
    is the stage to load into.
    """

    hosts_by_user: dict[str, set[str]] = field(default_factory=dict)
    closed_invitations: dict[tuple[str, str], Stage] = field(default_factory=dict)
    last_invitations: dict[tuple[str, str], Stage] = field(default_factory=dict)

    @classmethod
    def from_batch(cls, batch: Sequence[InputRecord], stages: Mapping[str, Stage]) -> "BatchQueries":
        """Return the queries for a batch's commands."""
        queries = cls()
        sent_ids = {record.id for record in batch if type(record.data) is SendInvitation}
        room_facts: dict[str, list[RoomChanged]] = {}
        for record in batch:
            if type(record.data) is RoomChanged:
                room_facts.setdefault(record.key, []).append(record.data)
        for record in batch:
            data: Any = record.data
            command_type = type(data)
            if command_type is SendInvitation:
                queries._add_last_invitation(data.user_id, record.key, stages[record.key])
            elif command_type in _INVITATION_COMMANDS and data.invitation_id not in sent_ids:
                queries._add_closed_invitation(data.invitation_id, record.key, stages[record.key])
            if (user_id := user_to_check(data)) is not None:
                hosts = queries.hosts_by_user.setdefault(user_id, set())
                if command_type is SendInvitation:
                    hosts.update(_possible_hosts(stages[record.key], room_facts.get(record.key, ())))
        return queries

    def _add_last_invitation(self, user_id: str, room_id: str, stage: Stage) -> None:
        if not stage.has_full_history and user_id not in stage.last_invitation_of:
            self.last_invitations[room_id, user_id] = stage

    def _add_closed_invitation(self, invitation_id: str, room_id: str, stage: Stage) -> None:
        if invitation_id not in stage.pending_by_id and invitation_id not in stage.recently_closed:
            self.closed_invitations[invitation_id, room_id] = stage


def _possible_hosts(stage: Stage, room_facts: Sequence[RoomChanged]) -> list[str]:
    """Return the hosts that a room can have when the commands of a batch with these facts are decided."""
    present = [] if stage.room is None else [stage.room.host_id]
    return present + [fact.host_id for fact in room_facts]
