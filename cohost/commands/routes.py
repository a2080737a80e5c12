"""Command routes: the topics that a command and its outcome use."""

from dataclasses import dataclass

from cohost_schemas import commands, envelope, events, topics
from cohost_schemas.topics import Topic
from cohost_schemas.types import CommandData, Message


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """The topics of one service's commands and their outcomes."""

    commands: Topic
    events: Topic
    rejections: Topic


INVITATIONS = CommandRoute(topics.INVITATION_COMMANDS, topics.INVITATION_EVENTS, topics.INVITATION_REJECTIONS)
BROADCAST = CommandRoute(topics.BROADCAST_COMMANDS, topics.BROADCAST_EVENTS, topics.BROADCAST_REJECTIONS)
ROUTES = (INVITATIONS, BROADCAST)

_EXPIRED = envelope.wire_type(events.InvitationExpired.__name__)
_FINAL_EVENTS: dict[type[CommandData], tuple[type[Message], ...]] = {
    commands.SendInvitation: (events.InvitationSent,),
    commands.ResendInvitation: (events.InvitationResent,),
    commands.MarkInvitationSeen: (events.InvitationSeen,),
    commands.CancelInvitation: (events.InvitationCancelled,),
    commands.AcceptInvitation: (events.InvitationAccepted,),
    commands.DeclineInvitation: (events.InvitationDeclined,),
    commands.RemoveCoHost: (events.CoHostLeft,),
    commands.LeaveStage: (events.CoHostLeft,),
    commands.ArrangeStage: (events.StageArranged,),
    commands.ExpireInvitation: (events.InvitationExpired,),
    commands.ReleaseSeat: (events.CoHostLeft,),
    commands.ExcludeUser: (events.InvitationCancelled, events.InvitationExpired, events.CoHostLeft),
    commands.MuteCoHost: (events.CoHostMuted,),
    commands.UnmuteCoHost: (events.CoHostUnmuteRequested,),
}
_ANY_FINAL_TYPE = frozenset(
    envelope.wire_type(model.__name__) for models in _FINAL_EVENTS.values() for model in models
)

ANY_FINAL_TYPE = _ANY_FINAL_TYPE - {_EXPIRED}
"""The event types that complete the outcome of a command whatever it is."""


def route_of(data: CommandData) -> CommandRoute:
    """Return the route of a command."""
    return BROADCAST if isinstance(data, commands.BROADCAST) else INVITATIONS


def final_event_types(data: CommandData) -> frozenset[str]:
    """Return the event types that complete a command's outcome; any one of them does.

    An id that was first used for another command has that command's outcome, so the final events of all
    other commands count too, except `InvitationExpired`, which can precede an `InvitationSent`.
    """
    own = frozenset(envelope.wire_type(model.__name__) for model in _FINAL_EVENTS[type(data)])
    return own | ANY_FINAL_TYPE
