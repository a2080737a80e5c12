"""Decide commands about seats, which end or are arranged. Accepting an invitation gives a seat."""

from cohost_schemas.commands import ArrangeStage, LeaveStage, ReleaseSeat, RemoveCoHost
from cohost_schemas.events import CoHostLeft, StageArranged
from cohost_schemas.types import build_message
from messaging.processor import Rejection
from services.invitations.domain import closures
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import Room


def remove_co_host(command: RemoveCoHost, room: Room, stage: Stage, at: str) -> tuple[CoHostLeft] | Rejection:
    """End a co-host's seat, on behalf of the host."""
    if command.actor_id != room.host_id:
        return Rejection("not_room_host")
    seat = stage.seats.get(command.user_id)
    if seat is None:
        return Rejection("not_co_host")
    return (closures.end_seat_by_host(command, seat, at),)


def leave_stage(command: LeaveStage, stage: Stage, at: str) -> tuple[CoHostLeft] | Rejection:
    """End the actor's own seat."""
    seat = stage.seats.get(command.actor_id)
    if seat is None:
        return Rejection("not_co_host")
    return (closures.end_seat(command.room_id, command.actor_id, seat, at, "left"),)


def arrange_stage(
    command: ArrangeStage, room: Room, stage: Stage, at: str
) -> tuple[StageArranged] | Rejection:
    """Put the seats of these users first, in this order."""
    if command.actor_id != room.host_id:
        return Rejection("not_room_host")
    seated = stage.seats.keys()
    if not seated >= set(command.user_ids):
        return Rejection("not_co_host")
    arranged = {
        "room_id": command.room_id,
        # A dictionary keeps the place of a key that is there already.
        "user_ids": tuple(dict.fromkeys((*command.user_ids, *seated))),
        "arranged_by": command.actor_id,
        "arranged_at": at,
    }
    return (build_message(StageArranged, arranged),)


def release_seat(command: ReleaseSeat, stage: Stage, at: str) -> tuple[CoHostLeft] | Rejection:
    """End a seat that broadcast releases, if it is still the same one."""
    seat = stage.seats.get(command.user_id)
    if seat is None or seat.invitation_id != command.invitation_id:
        return Rejection("not_co_host")
    return (closures.end_seat(command.room_id, command.user_id, seat, at, command.reason),)
