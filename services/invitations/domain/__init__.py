"""The rules of the stage as pure functions: no clock, no randomness, no input or output."""

from services.invitations.domain.decide import decide_command
from services.invitations.domain.rooms import decide_room_changed, decide_room_deleted

__all__ = ["decide_command", "decide_room_changed", "decide_room_deleted"]
