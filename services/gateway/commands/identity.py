"""The part of a command that a repeat under the same key must have in common with the first."""

from typing import Any, NamedTuple

from cohost.errors import Rejected
from cohost.events import Accepted
from cohost_schemas import commands, envelope, events
from cohost_schemas.answers import CommandOutcome
from cohost_schemas.types import CommandData, Message

_COMMANDS: dict[type, tuple[type[CommandData], str | None]] = {
    events.InvitationSent: (commands.SendInvitation, "invited_by"),
    events.InvitationResent: (commands.ResendInvitation, None),
    events.InvitationSeen: (commands.MarkInvitationSeen, "user_id"),
    events.InvitationCancelled: (commands.CancelInvitation, None),
    events.InvitationAccepted: (commands.AcceptInvitation, "user_id"),
    events.InvitationDeclined: (commands.DeclineInvitation, "user_id"),
    events.StageArranged: (commands.ArrangeStage, "arranged_by"),
    events.CoHostMuted: (commands.MuteCoHost, "by"),
    events.CoHostUnmuteRequested: (commands.UnmuteCoHost, "by"),
}
"""The command that ends with an event, and the event's field that names its actor, if it has one."""
_COMMANDS_THAT_END_SEATS: dict[str, tuple[type[CommandData], str | None]] = {
    "left": (commands.LeaveStage, "user_id"),
    "removed_by_host": (commands.RemoveCoHost, "removed_by"),
}


class CommandIdentity(NamedTuple):
    """A command's type, and the ids by which the contract tells two commands apart.

    `invitation_id` is None for a command that names none, `actor_id` where the records do not tell it.
    """

    command_type: str
    room_id: str | None
    invitation_id: str | None
    actor_id: str | None

    def is_same(self, first: "CommandIdentity") -> bool:
        """Return whether this command can be the first one; an actor that is not known is not compared."""
        return (
            self[:2] == first[:2]
            and self.invitation_id in (None, first.invitation_id)
            and first.actor_id in (None, self.actor_id)
        )


def identity_of(data: CommandData) -> CommandIdentity:
    """Return the identity of a user's command."""
    fields = vars(data)
    return _identity(type(data), fields, fields["actor_id"])


def identity_of_outcome(outcome: CommandOutcome) -> CommandIdentity:
    """Return the identity of the command that has this outcome, as its service tells it."""
    # No caller's id is empty: a command without a valid actor is nobody's.
    actor_id = outcome.actor_id or ""
    return CommandIdentity(outcome.command_type, outcome.room_id, outcome.invitation_id, actor_id)


def identity_of_records(outcome: Accepted[Any] | Rejected) -> CommandIdentity | None:
    """Return the identity of the command that has this outcome, None if it is no user's."""
    if isinstance(outcome, Rejected):
        return _identity_of_rejection(outcome)
    found = _command_of(outcome.data)
    if found is None:
        return None
    command, actor_id = found
    return _identity(command, vars(outcome.data), actor_id)


def _identity(command: type[CommandData], fields: dict[str, Any], actor_id: str | None) -> CommandIdentity:
    name = envelope.wire_type(command.__name__)
    return CommandIdentity(name, fields["room_id"], fields.get("invitation_id"), actor_id)


def _identity_of_rejection(rejected: Rejected) -> CommandIdentity | None:
    data = rejected.envelope.data if rejected.envelope is not None else None
    if not isinstance(data, dict):
        return None
    return CommandIdentity(
        *(str(data.get("commandType")), data.get("roomId"), data.get("invitationId")),
        actor_id=data.get("actorId") or "",
    )


def _command_of(event: Message | None) -> tuple[type[CommandData], str | None] | None:
    """Return the command that ends with this event, and its actor where the event names it."""
    if isinstance(event, events.CoHostLeft):
        found = _COMMANDS_THAT_END_SEATS.get(event.reason)
    elif isinstance(event, events.InvitationCancelled) and event.close_reason != "cancelled_by_host":
        found = None
    else:
        found = _COMMANDS.get(type(event))
    if found is None:
        return None
    command, actor_field = found
    return command, None if actor_field is None else vars(event)[actor_field]
