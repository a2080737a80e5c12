"""The rules of the stage as pure functions: no clock, no randomness, no input or output."""

from services.invitations.decider.commands import decide
from services.invitations.decider.rooms import room_changed, room_gone

__all__ = ["decide", "room_changed", "room_gone"]
