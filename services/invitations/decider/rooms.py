"""Decide room facts: what changes on the stage, and what that closes."""

from schemas.events import StageChanged
from schemas.facts import RoomChanged
from schemas.types import build_message
from services.invitations.decider import endings
from services.invitations.decider.endings import Ending
from services.invitations.stage import Happening, Stage
from services.invitations.state import Room


def room_changed(
    fact: RoomChanged, at: str, position: int, stage: Stage
) -> tuple[Room, tuple[Happening, ...]]:
    """Return the room after a fact, and the events that follow from it."""
    before = stage.room
    life = 0 if before is None else before.life
    room = Room(fact.host_id, fact.status, fact.max_co_hosts, life, forgotten=False, position=position)
    said = () if before is not None and _same(before, room) else (_stage_changed(fact.room_id, room),)
    return room, (*said, *_endings(fact.room_id, at, stage, room))


def room_gone(
    room_id: str, at: str, position: int, stage: Stage
) -> tuple[Room | None, tuple[Happening, ...]]:
    """Return the room after its tombstone, None if it was unknown, and the events that follow."""
    before = stage.room
    if before is None or before.forgotten:
        return before, ()
    room = before._replace(life=before.life + 1, forgotten=True, position=position)
    if not before.open:
        return room, ()
    ended = room._replace(status="ended")
    return ended, (_stage_changed(room_id, ended), *_endings(room_id, at, stage, ended))


def _same(before: Room, after: Room) -> bool:
    return before[:3] == after[:3]


def _stage_changed(room_id: str, room: Room) -> StageChanged:
    return build_message(
        StageChanged,
        {
            "room_id": room_id,
            "host_id": room.host_id,
            "status": room.status,
            "open": room.open,
            "max_co_hosts": room.max_co_hosts,
        },
    )


def _endings(room_id: str, at: str, stage: Stage, room: Room) -> tuple[Happening, ...]:
    if not room.open:
        return endings.of_everybody(stage, Ending(room_id, at, "room_ended"))
    return endings.of_user(stage, room.host_id, Ending(room_id, at, "became_host"))
