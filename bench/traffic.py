"""Mixed commands over many rooms in turn, each with its expected outcome; the seed fixes all but the ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from bench import steps
from bench.room import BANNED, MAX_CO_HOSTS, Command, Room
from cohost_schemas import ids
from cohost_schemas.facts import RoomChanged, UserChanged

EXPIRY_SECONDS = 10
USERS_A_ROOM = 8
SHORT_ROOMS = 20
"""One room in this many has an invitation that expires."""


@dataclass(frozen=True)
class Traffic:
    """Simulated rooms, the facts that their commands need, and the commands."""

    rooms: Sequence[Room]

    def stages(self) -> list[RoomChanged]:
        """Return a fact for every room, with status live."""
        return [
            RoomChanged(room_id=room.room_id, host_id=room.host, status="live", max_co_hosts=MAX_CO_HOSTS)
            for room in self.rooms
        ]

    def people(self) -> list[UserChanged]:
        """Return a fact for every known user."""
        names = {name for room in self.rooms for name in (*room.users, _late(room))}
        return [
            UserChanged(user_id=BANNED, status="banned"),
            *(UserChanged(user_id=name, status="active") for name in sorted(names)),
        ]

    def short(self) -> list[Command]:
        """Return commands that send invitations which expire after `EXPIRY_SECONDS`."""
        return [
            room.command(
                "SendInvitation", userId=_late(room), actorId=room.host, expiresInSeconds=EXPIRY_SECONDS
            )
            for room in self.rooms[::SHORT_ROOMS]
        ]

    def ends(self, short: Sequence[Command]) -> list[Command]:
        """Return commands that expire the given invitations, whose time must be over by now."""
        rooms = {room.room_id: room for room in self.rooms}
        return [rooms[sent.room_id].command("ExpireInvitation", invitationId=sent.id) for sent in short]

    def turns(self) -> Iterator[Command]:
        """Yield an endless sequence of commands, from every room in turn."""
        while True:
            for room in self.rooms:
                yield steps.following(room)


def make(rooms: int, seed: int) -> Traffic:
    """Return the traffic of `rooms` rooms."""
    random = Random(seed)  # noqa: S311 - traffic, not secrets
    return Traffic([_room(number, random) for number in range(rooms)])


def _room(number: int, random: Random) -> Room:
    users = [f"user-{number}-{seat}" for seat in range(USERS_A_ROOM)]
    return Room(f"room-{number}", users, random, lambda: ids.uuid7(random.getrandbits))


def _late(room: Room) -> str:
    return f"late-{room.room_id}"
