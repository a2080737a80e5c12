"""Apply invitations' events to a stage: rooms open, close and change hosts; seats begin and end."""

from dataclasses import replace

from cohost_schemas import timestamps
from cohost_schemas.events import CoHostLeft, GrantRevoked, InvitationAccepted, StageArranged, StageChanged
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import (
    Member,
    PendingRevocation,
    Presence,
    Quality,
    Room,
    Seat,
    SeatTimeouts,
    Stage,
    mark_out_of_sync,
)


def update_room(stage: Stage | None, event: StageChanged, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    """Update the room, and the rights and timers that depend on its host and status."""
    before = stage.room if stage is not None else None
    room = _updated_room(before, event, origin)
    if stage is None or before is None:
        return Decision(Stage(room, {}))
    if not before.is_open:
        return Decision(stage.with_room(room))
    if not room.is_open:
        return Decision(_close_room(stage, room))
    next_stage = stage.with_room(room)
    if before.host_id != room.host_id:
        new_host = next_stage.member_or_empty(room.host_id)
        # The host is no intruder, even if LiveKit showed these rights before the room changed.
        next_stage = next_stage.with_members(replace(new_host, suspect=False, confirmed_intruder=False))
        next_stage = mark_out_of_sync(
            next_stage, before.host_id, room.host_id, correlation=origin.correlation
        )
        former_host = next_stage.member_or_empty(before.host_id)
        next_stage = next_stage.with_members(replace(former_host, quality=Quality()))
    if (before.status == "live") != (room.status == "live"):
        next_stage = _restart_no_show_timers(next_stage, origin, timeouts)
    return Decision(next_stage)


def add_seat(stage: Stage, event: InvitationAccepted, origin: Origin, timeouts: SeatTimeouts) -> Decision:
    """Give a user a seat, and mark their rights as out of sync."""
    member = stage.member_or_empty(event.user_id)
    seat = Seat(
        event.invitation_id,
        since=event.responded_at or event.updated_at,
        no_show_at=_no_show_deadline(stage.room, origin, timeouts),
        correlation=origin.correlation,
        label=event.label,
        place=1 + max((other.place for _, other in stage.seated_members), default=0),
    )
    seated = replace(
        member,
        seat=seat,
        presence=Presence(ended_sids=member.presence.ended_sids),
        failing=False,
        suspect=False,
        confirmed_intruder=False,
    )
    return Decision(
        mark_out_of_sync(stage.with_members(seated), event.user_id, correlation=origin.correlation)
    )


def remove_seat(stage: Stage, event: CoHostLeft, origin: Origin) -> Decision:
    """Remove a seat and request the revocation of its rights, which a pending room deletion includes."""
    member = stage.member_or_empty(event.user_id)
    if member.seat is None or member.seat.invitation_id != event.invitation_id:
        return Decision(stage)
    if event.reason == "became_host":
        presence = replace(member.presence, grace_ends_at=None)
        return Decision(stage.with_members(replace(member, seat=None, presence=presence, actions=())))
    stage = stage.with_room(replace(stage.room, rights_ended_at=origin.at))
    revocation = PendingRevocation(event.user_id, event.invitation_id, event.reason, origin.correlation)
    if stage.room.is_open:
        leaving = replace(
            member,
            seat=None,
            presence=Presence(ended_sids=member.presence.ended_sids),
            pending_revocations=(*member.pending_revocations, revocation),
            actions=(),
            quality=Quality(),
        )
        return Decision(
            mark_out_of_sync(stage.with_members(leaving), event.user_id, correlation=origin.correlation)
        )
    empty = stage.with_members(Member(event.user_id))
    if not stage.room.is_deletion_pending:
        return Decision(empty, room_deleted_revocations(stage.room, (revocation,), origin))
    return Decision(
        empty.with_room(
            replace(stage.room, pending_revocations=(*stage.room.pending_revocations, revocation))
        )
    )


def arrange_seats(stage: Stage, event: StageArranged) -> Decision:
    """Give the seats new places, in the order of the event."""
    changed = [
        replace(member, seat=replace(member.seat, place=place))
        for place, user_id in enumerate(event.user_ids, 1)
        if (member := stage.members.get(user_id)) is not None and member.seat is not None
    ]
    return Decision(stage.with_members(*changed))


def room_deleted_revocations(
    room: Room, revocations: tuple[PendingRevocation, ...], origin: Origin
) -> tuple[GrantRevoked, ...]:
    """Return the `GrantRevoked` events of seats whose rights ended with the LiveKit room."""
    return tuple(
        GrantRevoked(
            room_id=room.room_id,
            user_id=revocation.user_id,
            invitation_id=revocation.invitation_id,
            reason=revocation.reason,
            mode="room_deleted",
            revoked_at=origin.at,
        )
        for revocation in revocations
    )


def _updated_room(before: Room | None, event: StageChanged, origin: Origin) -> Room:
    if before is None:
        return Room(event.room_id, origin.lane, event.host_id, origin.at, event.status, event.open)
    same_host = before.is_open == event.open and before.host_id == event.host_id
    is_host_replaced = before.host_id != event.host_id
    return replace(
        before,
        host_id=event.host_id,
        host_since=before.host_since if same_host else origin.at,
        status=event.status,
        is_open=event.open,
        announced_host_connection=before.announced_host_connection if same_host else "never",
        rights_ended_at=origin.at if is_host_replaced else before.rights_ended_at,
    )


def _close_room(stage: Stage, room: Room) -> Stage:
    """Return the stage of a closed room: its LiveKit room is to be deleted.

    The deletion also confirms the pending revocations of its members.
    """
    version = room.latest_version + 1
    revocations = tuple(
        revocation for member in stage.sorted_members for revocation in member.pending_revocations
    )
    closed = replace(
        room,
        latest_version=version,
        deletion_version=version,
        pending_revocations=room.pending_revocations + revocations,
    )
    seated = {
        user_id: Member(user_id, seat=replace(member.seat, no_show_at=None))
        for user_id, member in stage.members.items()
        if member.seat is not None
    }
    return Stage(closed, seated)


def _restart_no_show_timers(stage: Stage, origin: Origin, timeouts: SeatTimeouts) -> Stage:
    """Start or stop the no-show timeout of the co-hosts who have not connected yet."""
    no_show_at = _no_show_deadline(stage.room, origin, timeouts)
    return stage.with_members(
        *(
            replace(member, seat=replace(member.seat, no_show_at=no_show_at))
            for member in stage.members.values()
            if member.seat is not None and member.presence.state == "never"
        )
    )


def _no_show_deadline(room: Room, origin: Origin, timeouts: SeatTimeouts) -> str | None:
    if room.status != "live" or not timeouts.no_show_seconds:
        return None
    return timestamps.add_seconds(origin.at, timeouts.no_show_seconds)
