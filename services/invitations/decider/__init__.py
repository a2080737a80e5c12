"""The rules of the stage, as functions of a record and what is known: nothing here touches anything."""

from services.invitations.decider.commands import decide
from services.invitations.decider.rooms import room_changed, room_gone

__all__ = ["decide", "room_changed", "room_gone"]
