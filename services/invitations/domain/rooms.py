"""Decide room facts: the room's new state, and the invitations and seats that end with it."""

from cohost_schemas.events import StageChanged
from cohost_schemas.facts import RoomChanged
from cohost_schemas.types import build_message
from services.invitations.domain import closures
from services.invitations.domain.closures import Closure
from services.invitations.domain.stage import Stage, StageEvent
from services.invitations.domain.state import Room


def decide_room_changed(
    fact: RoomChanged, at: str, position: int, stage: Stage
) -> tuple[Room, tuple[StageEvent, ...]]:
    """Return the room after a fact, and the events that follow from it."""
    before = stage.room
    incarnation = 0 if before is None else before.incarnation
    room = Room(fact.host_id, fact.status, fact.max_co_hosts, incarnation, deleted=False, position=position)
    stage_changed = (
        () if before is not None and _is_unchanged(before, room) else (_stage_changed(fact.room_id, room),)
    )
    return room, (*stage_changed, *_close_seats_and_invitations(fact.room_id, at, stage, room))


def decide_room_deleted(
    room_id: str, at: str, position: int, stage: Stage
) -> tuple[Room | None, tuple[StageEvent, ...]]:
    """Return the room after its tombstone, None if it was unknown, and the events that follow.

    The room is deleted once all its invitations are closed.
    """
    before = stage.room
    if before is None or before.deleted:
        return before, ()
    status = "ended" if before.is_open else before.status
    ended = before._replace(status=status, position=position)
    stage_changed = (_stage_changed(room_id, ended),) if before.is_open else ()
    events = (*stage_changed, *_close_seats_and_invitations(room_id, at, stage, ended))
    if closures.has_too_many_pending(stage):
        return ended, events
    return ended._replace(incarnation=before.incarnation + 1, deleted=True), events


def _is_unchanged(before: Room, after: Room) -> bool:
    return before[:3] == after[:3]


def _stage_changed(room_id: str, room: Room) -> StageChanged:
    return build_message(
        StageChanged,
        {
            "room_id": room_id,
            "host_id": room.host_id,
            "status": room.status,
            "open": room.is_open,
            "max_co_hosts": room.max_co_hosts,
        },
    )


def _close_seats_and_invitations(room_id: str, at: str, stage: Stage, room: Room) -> tuple[StageEvent, ...]:
    if not room.is_open:
        return closures.close_all(stage, Closure(room_id, at, "room_ended"))
    return closures.close_for_user(stage, room.host_id, Closure(room_id, at, "became_host"))
