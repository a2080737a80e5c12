"""Rooms and seats for the grants measurement, as the events that the invitations service publishes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from bench.workload import traffic_producer
from bench.workload.simulated_room import PlannedCommand
from bench.workload.traffic_producer import TopicEvent
from cohost_schemas import ids, timestamps, topics
from cohost_schemas.events import InvitationAccepted, StageChanged
from cohost_schemas.facts import RoomChanged
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS
from cohost_schemas.types import RoomStatus

_STATUS: RoomStatus = "live"
_PENDING_SECONDS = 60


class PlannedSeat(NamedTuple):
    """A seat to fill; `id` is the invitation id, `cause` the id of the accepting command."""

    id: str
    command_id: str
    room_id: str
    user_id: str

    @property
    def participant_key(self) -> tuple[str, str]:
        """The LiveKit room and identity that get the permissions."""
        return self.room_id, self.user_id


@dataclass(frozen=True)
class SeatPlan:
    """Rooms and their seats, in round-robin order of the rooms, at most `most` per room."""

    rooms: Sequence[str]
    seats: Sequence[PlannedSeat]
    max_per_room: int

    def input_events(self) -> Iterator[TopicEvent]:
        """Yield the facts and commands that cause the service's events."""
        for room_id in self.rooms:
            fact = RoomChanged(
                room_id=room_id, host_id=_host(room_id), status=_STATUS, max_co_hosts=self.max_per_room
            )
            yield traffic_producer.fact_event(topics.ROOMS, room_id, fact)
        for seat in self.seats:
            data = {"roomId": seat.room_id, "invitationId": seat.id, "actorId": seat.user_id}
            yield traffic_producer.command_event(
                PlannedCommand(seat.command_id, "AcceptInvitation", seat.room_id, data, "")
            )


class InvitationEvents:
    """Builds the service's events; they must be written in the order of building."""

    def __init__(self, seats: SeatPlan) -> None:
        self._seats = seats
        self._sequences = Counter[int]()
        self._now = timestamps.current_timestamp()

    def rooms_opened(self) -> Iterator[TopicEvent]:
        """Yield an event per room that says it is open."""
        for room_id in self._seats.rooms:
            data = StageChanged(
                room_id=room_id,
                host_id=_host(room_id),
                status=_STATUS,
                open=True,
                max_co_hosts=self._seats.max_per_room,
            )
            yield self._build_entry(room_id, f"opened-{room_id}", f"fact-{room_id}", data)

    def invitation_accepted(self, seat: PlannedSeat) -> TopicEvent:
        """Return the event of a filled seat."""
        data = InvitationAccepted(
            invitation_id=seat.id,
            room_id=seat.room_id,
            user_id=seat.user_id,
            invited_by=_host(seat.room_id),
            status="accepted",
            sent_at=self._now,
            expires_at=timestamps.add_seconds(self._now, _PENDING_SECONDS),
            responded_at=self._now,
            updated_at=self._now,
        )
        return self._build_entry(seat.room_id, f"accepted-{seat.id}", seat.command_id, data)

    def _build_entry(
        self, room_id: str, event_id: str, cause: str, data: StageChanged | InvitationAccepted
    ) -> TopicEvent:
        lane = partition_of(room_id, DEFAULT_PARTITIONS)
        self._sequences[lane] += 1
        event: Mapping[str, Any] = {
            **traffic_producer.build_event(event_id, type(data).__name__, room_id, data),
            "time": self._now,
            "causationid": cause,
            "sequence": f"{self._sequences[lane]:020d}",
        }
        return topics.INVITATION_EVENTS, room_id, event


def plan_seats(name: str, rooms: int, seats: int, seed: int) -> SeatPlan:
    """Return a plan of `seats` seats in `rooms` rooms whose ids start with `name`."""
    random = Random(seed)  # noqa: S311 - traffic, not secrets
    room_ids = [f"{name}-{number}" for number in range(rooms)]
    made: list[PlannedSeat] = []
    while len(made) < seats:
        turn = len(made) // rooms
        for room_id in random.sample(room_ids, min(rooms, seats - len(made))):
            new = (ids.uuid7(random.getrandbits), ids.uuid7(random.getrandbits))
            made.append(PlannedSeat(*new, room_id, f"user-{turn}-{room_id}"))
    return SeatPlan(room_ids, made, -(-seats // rooms))


def _host(room_id: str) -> str:
    return f"host-{room_id}"
