"""A room with its members."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cohost_schemas.envelope import Correlation
from cohost_schemas.types import Badge
from services.broadcast.domain.state.member import Member, Seat
from services.broadcast.domain.state.room import Room


@dataclass(frozen=True, slots=True)
class Stage:
    """A room with all its members by user id."""

    room: Room
    members: Mapping[str, Member]

    def member_or_empty(self, user_id: str) -> Member:
        """Return the member, or an empty one for a user that the room does not know."""
        return self.members.get(user_id) or Member(user_id)

    @property
    def sorted_members(self) -> list[Member]:
        """Return the members sorted by user id, so that the order of events does not depend on storage."""
        return [self.members[user_id] for user_id in sorted(self.members)]

    @property
    def seated_members(self) -> list[tuple[Member, Seat]]:
        """Return the members with a seat and their seats, in the speaking order."""
        seated = [(member, member.seat) for member in self.members.values() if member.seat is not None]
        return sorted(seated, key=lambda entry: (entry[1].place, entry[1].since, entry[0].user_id))

    def badge_of(self, user_id: str) -> Badge | None:
        """Return the user's badge in this room, which is also their role; None for a viewer."""
        return _badge(self.room, user_id, self.members.get(user_id))

    def with_room(self, room: Room) -> "Stage":
        """Return the stage with this room."""
        return Stage(room, self.members)

    def with_members(self, *changed: Member) -> "Stage":
        """Return the stage with these members replaced; members without state worth keeping are dropped."""
        members = dict(self.members)
        for member in changed:
            if _can_drop(self.room, member):
                members.pop(member.user_id, None)
            else:
                members[member.user_id] = member
        return Stage(self.room, members)


def mark_out_of_sync(stage: Stage, *user_ids: str, correlation: Correlation | None = None) -> Stage:
    """Give each user a new desired version, so that the reconciler applies the rights of this stage.

    `correlation` is that of the record that changed the rights; a report of LiveKit has none.
    """
    version = stage.room.latest_version
    changed = []
    for user_id in user_ids:
        version += 1
        member = stage.member_or_empty(user_id)
        changed.append(replace(member, desired_version=version, correlation=correlation))
    return stage.with_room(replace(stage.room, latest_version=version)).with_members(*changed)


def _badge(room: Room, user_id: str, member: Member | None) -> Badge | None:
    if room.is_open and room.host_id == user_id:
        return "host"
    return "coHost" if member is not None and member.seat is not None else None


def _can_drop(room: Room, member: Member) -> bool:
    return not (
        _badge(room, member.user_id, member)
        or member.is_out_of_sync
        or member.pending_revocations
        or member.suspect
    )
