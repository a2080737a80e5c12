"""The rooms and members that a batch changes, and the work on LiveKit among them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cohost_schemas.types import Message
from services.broadcast.domain.state import Member, MemberKey, Room, Stage
from services.broadcast.seat_steps import reached_steps
from services.runtime.business.stage_metrics import SeatStep


class MemberInRoom(NamedTuple):
    """A member and their room."""

    room: Room
    member: Member

    @property
    def key(self) -> MemberKey:
        """Return the member's key."""
        return MemberKey(self.room.room_id, self.member.user_id)


class TracedConnection(NamedTuple):
    """An event about a co-host's connection, by its name, and the `traceparent` of the acceptance."""

    event: str
    room_id: str
    traceparent: str


@dataclass(slots=True)
class BatchChanges:
    """The rooms and members that a batch changes, in their final state; a member that is None is deleted.

    `members` maps each key to the lane and the member. `touched_rooms` are the rooms of all changes, whether
    the room itself changed or not. `connections` are those of co-hosts whose acceptance is traced.

    To be counted: `events` are all events, `seat_steps` the steps that seats reached, with the seconds since
    the acceptance, and `co_host_changes` the changes in the number of co-hosts, by lane and state.
    """

    rooms: dict[str, Room] = field(default_factory=dict)
    members: dict[MemberKey, tuple[int, Member | None]] = field(default_factory=dict)
    touched_rooms: dict[str, Room] = field(default_factory=dict)
    events: list[Message] = field(default_factory=list)
    seat_steps: list[tuple[SeatStep, float]] = field(default_factory=list)
    co_host_changes: Counter[tuple[int, str]] = field(default_factory=Counter)
    connections: list[TracedConnection] = field(default_factory=list)

    def add_events(self, before: Stage | None, after: Stage, events: Sequence[Message]) -> None:
        """Add the events of a decision."""
        self.events += events
        self.seat_steps += reached_steps(before, after, events)

    def add_difference(self, before: Stage | None, after: Stage) -> None:
        """Add the difference between two stages of a room."""
        room = self.touched_rooms[after.room.room_id] = after.room
        if before is None or before.room is not room:
            self.rooms[room.room_id] = room
        old = before.members if before is not None else {}
        if old is after.members:
            return
        for user_id, member in after.members.items():
            if old.get(user_id) is not member:
                self.members[MemberKey(room.room_id, user_id)] = (room.lane, member)
                self._count_states(room.lane, old.get(user_id), member)
        for user_id in old:
            if user_id not in after.members:
                self.members[MemberKey(room.room_id, user_id)] = (room.lane, None)
                self._count_states(room.lane, old[user_id], None)

    def _count_states(self, lane: int, before: Member | None, after: Member | None) -> None:
        for state in before.co_host_states if before is not None else ():
            self.co_host_changes[lane, state] -= 1
        for state in after.co_host_states if after is not None else ():
            self.co_host_changes[lane, state] += 1


def work_from_changes(changes: BatchChanges) -> tuple[list[Room], list[MemberInRoom]]:
    """Return the work on LiveKit among the changes: the same that `store.find_work` finds after the commit.

    Both use the same properties of rooms and members, here directly, there as stored columns.
    """
    members = [
        MemberInRoom(room, member)
        for key, (_, member) in changes.members.items()
        if member is not None and member.is_out_of_sync
        for room in [changes.touched_rooms[key.room_id]]
        if room.can_apply_rights
    ]
    return [room for room in changes.rooms.values() if room.is_deletion_pending], members
