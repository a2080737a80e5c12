"""Collect the users and invitations that a batch's commands need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast

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
        """Return the queries for the commands of a batch, which has its facts first."""
        queries = cls()
        new_hosts: dict[str, list[str]] = {}
        sent_ids: set[str] = set()
        for record in batch:
            data: Any = record.data
            record_type = type(data)
            if record_type is SendInvitation:
                sent_ids.add(record.id)
                queries._add_sending(record, stages[record.key], new_hosts.get(record.key, ()))
            elif record_type is RoomChanged:
                new_hosts.setdefault(record.key, []).append(data.host_id)
            else:
                if record_type in _INVITATION_COMMANDS and data.invitation_id not in sent_ids:
                    queries._add_closed_invitation(data.invitation_id, record.key, stages[record.key])
                if (user_id := user_to_check(data)) is not None:
                    queries.hosts_by_user.setdefault(user_id, set())
        return queries

    def _add_sending(self, record: InputRecord, stage: Stage, new_hosts: Sequence[str]) -> None:
        user_id = cast("SendInvitation", record.data).user_id
        if not stage.has_full_history and user_id not in stage.last_invitation_of:
            self.last_invitations[record.key, user_id] = stage
        # When it is decided, the room may have any of these hosts.
        hosts = self.hosts_by_user.setdefault(user_id, set())
        hosts.update(new_hosts)
        if stage.room is not None:
            hosts.add(stage.room.host_id)

    def _add_closed_invitation(self, invitation_id: str, room_id: str, stage: Stage) -> None:
        if invitation_id not in stage.pending_by_id and invitation_id not in stage.recently_closed:
            self.closed_invitations[invitation_id, room_id] = stage
