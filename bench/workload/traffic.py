"""Mixed commands over many rooms in turn, each with its expected outcome; the seed fixes all but the ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from bench.workload import command_mix
from bench.workload.simulated_room import BANNED_USER, MAX_CO_HOSTS, PlannedCommand, SimulatedRoom
from cohost_schemas import ids
from cohost_schemas.facts import RoomChanged, UserChanged

EXPIRY_SECONDS = 10
USERS_A_ROOM = 8
SHORT_ROOMS = 20
"""One room in this many has an invitation that expires."""

_COMMANDS_A_ROOM = 50


@dataclass(frozen=True)
class Traffic:
    """Simulated rooms, the facts that their commands need, and the commands."""

    rooms: Sequence[SimulatedRoom]

    def room_facts(self) -> list[RoomChanged]:
        """Return a fact for every room, with status live."""
        return [
            RoomChanged(room_id=room.room_id, host_id=room.host_id, status="live", max_co_hosts=MAX_CO_HOSTS)
            for room in self.rooms
        ]

    def user_facts(self) -> list[UserChanged]:
        """Return a fact for every known user."""
        names = {name for room in self.rooms for name in (*room.users, _late_user(room))}
        return [
            UserChanged(user_id=BANNED_USER, status="banned"),
            *(UserChanged(user_id=name, status="active") for name in sorted(names)),
        ]

    def short_invitations(self) -> list[PlannedCommand]:
        """Return commands that send invitations which expire after `EXPIRY_SECONDS`."""
        return [
            room.new_command(
                "SendInvitation",
                userId=_late_user(room),
                actorId=room.host_id,
                expiresInSeconds=EXPIRY_SECONDS,
            )
            for room in self.rooms[::SHORT_ROOMS]
        ]

    def expire_commands(self, short: Sequence[PlannedCommand]) -> list[PlannedCommand]:
        """Return commands that expire the given invitations, whose time must be over by now."""
        rooms = {room.room_id: room for room in self.rooms}
        return [rooms[sent.room_id].new_command("ExpireInvitation", invitationId=sent.id) for sent in short]

    def iterate_commands(self, *, over_http: bool = False) -> Iterator[PlannedCommand]:
        """Yield an endless sequence of commands, from every room in turn; `over_http` only a user's."""
        while True:
            for room in self.rooms:
                yield command_mix.next_command(room, over_http=over_http)


def rooms_for(commands: int) -> int:
    """Return the number of rooms over which a measurement spreads this number of commands."""
    return max(1, commands // _COMMANDS_A_ROOM)


def generate_traffic(rooms: int, seed: int, name: str = "room") -> Traffic:
    """Return the traffic of `rooms` rooms whose ids start with `name`."""
    random = Random(seed)  # noqa: S311 - traffic, not secrets
    return Traffic([_room(name, number, random) for number in range(rooms)])


def _room(name: str, number: int, random: Random) -> SimulatedRoom:
    users = [f"user-{number}-{seat}" for seat in range(USERS_A_ROOM)]
    return SimulatedRoom(f"{name}-{number}", users, random, lambda: ids.uuid7(random.getrandbits))


def _late_user(room: SimulatedRoom) -> str:
    return f"late-{room.room_id}"
