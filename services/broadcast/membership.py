"""Apply invitations' events to a stage: rooms open, close and change hosts; seats begin and end."""

from dataclasses import replace

from schemas import timestamps
from schemas.events import CoHostLeft, GrantRevoked, InvitationAccepted, StageChanged
from services.broadcast.change import Cause, Change
from services.broadcast.state import Ending, Member, Patience, Presence, Room, Seat, Stage, wish


def stage_changed(stage: Stage | None, said: StageChanged, cause: Cause, patience: Patience) -> Change:
    """Update the room, and what depends on its host, its status and on whether it is open."""
    before = stage.room if stage is not None else None
    room = _room(before, said, cause)
    if stage is None or before is None:
        return Change(Stage(room, {}))
    if not before.open:
        return Change(stage.with_room(room))
    if not room.open:
        return Change(_closed(stage, room))
    following = stage.with_room(room)
    if before.host_id != room.host_id:
        following = wish(following, before.host_id, room.host_id)
    if (before.status == "live") != (room.status == "live"):
        following = _awaited(following, cause, patience)
    return Change(following)


def accepted(stage: Stage, said: InvitationAccepted, cause: Cause, patience: Patience) -> Change:
    """Seat a user and have their rights applied."""
    member = stage.member(said.user_id)
    seat = Seat(
        said.invitation_id,
        since=said.responded_at or said.updated_at,
        no_show_at=_no_show_at(stage.room, cause, patience),
    )
    seated = replace(
        member,
        seat=seat,
        presence=Presence(ended=member.presence.ended),
        failed=False,
        suspect=False,
        seen=False,
    )
    return Change(wish(stage.with_members(seated), said.user_id))


def left(stage: Stage, said: CoHostLeft, cause: Cause) -> Change:
    """Remove a seat and revoke its rights: the user's own, or with the deletion of the LiveKit room."""
    member = stage.member(said.user_id)
    if member.seat is None or member.seat.invitation_id != said.invitation_id:
        return Change(stage)
    if said.reason == "became_host":
        kept = replace(member.presence, grace_ends_at=None)
        return Change(stage.with_members(replace(member, seat=None, presence=kept, errands=())))
    ending = Ending(said.user_id, said.invitation_id, said.reason)
    if stage.room.open:
        leaving = replace(
            member,
            seat=None,
            presence=Presence(ended=member.presence.ended),
            revoking=(*member.revoking, ending),
            errands=(),
        )
        return Change(wish(stage.with_members(leaving), said.user_id))
    empty = stage.with_members(Member(said.user_id))
    if stage.room.deletion is None:
        return Change(empty, revoked_with_room(stage.room, (ending,), cause))
    return Change(empty.with_room(replace(stage.room, endings=(*stage.room.endings, ending))))


def revoked_with_room(room: Room, endings: tuple[Ending, ...], cause: Cause) -> tuple[GrantRevoked, ...]:
    """Return the `GrantRevoked` events of seats whose rights ended with the LiveKit room."""
    return tuple(
        GrantRevoked(
            room_id=room.room_id,
            user_id=ending.user_id,
            invitation_id=ending.invitation_id,
            reason=ending.reason,
            mode="room_deleted",
            revoked_at=cause.at,
        )
        for ending in endings
    )


def _room(before: Room | None, said: StageChanged, cause: Cause) -> Room:
    if before is None:
        return Room(said.room_id, cause.lane, said.host_id, cause.at, said.status, said.open)
    same_host = before.open == said.open and before.host_id == said.host_id
    return replace(
        before,
        host_id=said.host_id,
        host_since=before.host_since if same_host else cause.at,
        status=said.status,
        open=said.open,
    )


def _closed(stage: Stage, room: Room) -> Stage:
    """Return the stage of a closed room: all that is left to do on LiveKit is to delete the LiveKit room.

    The revocations of its members are confirmed with that deletion.
    """
    version = room.version + 1
    owed = tuple(ending for member in stage.in_order for ending in member.revoking)
    closed = replace(room, version=version, deletion=version, endings=room.endings + owed)
    seated = {
        user_id: Member(user_id, seat=replace(member.seat, no_show_at=None))
        for user_id, member in stage.members.items()
        if member.seat is not None
    }
    return Stage(closed, seated)


def _awaited(stage: Stage, cause: Cause, patience: Patience) -> Stage:
    """Start or stop the no-show timeout of the co-hosts who have not connected yet."""
    due = _no_show_at(stage.room, cause, patience)
    return stage.with_members(
        *(
            replace(member, seat=replace(member.seat, no_show_at=due))
            for member in stage.members.values()
            if member.seat is not None and member.presence.state == "never"
        )
    )


def _no_show_at(room: Room, cause: Cause, patience: Patience) -> str | None:
    if room.status != "live" or not patience.no_show:
        return None
    return timestamps.add_seconds(cause.at, patience.no_show)
