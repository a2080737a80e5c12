"""Hypothesis strategies for record sequences over few rooms and users, so that they interact often."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from cohost_schemas import commands, facts, topics
from cohost_schemas.topics import Topic
from messaging.processor import InputRecord
from tests.invitations.in_memory_processor import HOST, time_at

ROOMS = ("room-1", "room-2")
USERS = ("bob", "carol", "dave")
INVITATION_COMMANDS: tuple[Any, ...] = (
    commands.AcceptInvitation,
    commands.AcceptInvitation,
    commands.DeclineInvitation,
    commands.CancelInvitation,
    commands.ExpireInvitation,
    commands.ResendInvitation,
    commands.MarkInvitationSeen,
)
SEAT_COMMANDS: tuple[Any, ...] = (
    commands.RemoveCoHost,
    commands.LeaveStage,
    commands.ReleaseSeat,
    commands.ExcludeUser,
    commands.ArrangeStage,
)


@dataclass
class RecordGenerator:
    """Generates mostly sensible records, so that many take effect."""

    random: Random
    second: float = 0.0
    records: list[InputRecord] = field(default_factory=list)
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def generate_records(self, length: int) -> list[InputRecord]:
        """Return `length` records of one lane, after two open rooms and their users."""
        for room in ROOMS:
            self._room(room, "live", HOST)
        for user in USERS:
            self._user(user, "active")
        for _ in range(length):
            self.second += self.random.choice((0, 0, 0, 0, 0.001, 1, 5, 20))
            weights = (8, 10, 4, 1, 1, 0.5)
            steps = (self._send, self._answer, self._seat, self._room, self._user, self._tombstone)
            self.random.choices(steps, weights)[0]()
        return self.records

    def _choose_mostly(self, likely: str, *others: str) -> str:
        return self.random.choice((likely,) * 6 + others)

    def _append_record(self, topic: Topic, key: str, data: Any) -> None:
        offset = len(self.records)
        self.records.append(InputRecord(0, topic, offset, time_at(self.second), key, f"id-{offset}", data))

    def _append_command(self, data: Any) -> None:
        self._append_record(topics.INVITATION_COMMANDS, data.room_id, data)

    def _send(self) -> None:
        room, user = self.random.choice(ROOMS), self.random.choice(USERS)
        seconds = self.random.randint(10, 60)
        self.sent.append((f"id-{len(self.records)}", room, user))
        self._append_command(
            commands.SendInvitation(
                room_id=room,
                user_id=user,
                actor_id=self._choose_mostly(HOST, user),
                expires_in_seconds=seconds,
                label=self.random.choice((None, "Guitar")),
            )
        )

    def _answer(self) -> None:
        kind = self.random.choice(INVITATION_COMMANDS)
        invitation, room, user = self.random.choice(self.sent[-6:] or [("none", ROOMS[0], USERS[0])])
        fields: dict[str, Any] = {"room_id": self._choose_mostly(room, *ROOMS), "invitation_id": invitation}
        if kind is not commands.ExpireInvitation:
            by_host = kind in (commands.CancelInvitation, commands.ResendInvitation)
            fields["actor_id"] = self._choose_mostly(HOST if by_host else user, *USERS)
        if kind is commands.ResendInvitation:
            fields["expires_in_seconds"] = self.random.choice((None, 10, 60))
        self._append_command(kind(**fields))

    def _seat(self) -> None:
        kind = self.random.choice(SEAT_COMMANDS)
        invitation, room, user = self.random.choice(self.sent[-6:] or [("none", ROOMS[0], USERS[0])])
        fields = {
            "room_id": room,
            "user_id": user,
            "actor_id": user if kind is commands.LeaveStage else self._choose_mostly(HOST, user),
            "invitation_id": invitation,
            "reason": "no_show",
            "user_ids": tuple(self.random.sample(USERS, self.random.choice((1, 1, 2)))),
        }
        self._append_command(kind(**{name: fields[name] for name in kind.model_fields}))

    def _room(self, room: str = "", status: str = "", host: str = "") -> None:
        data = facts.RoomChanged.model_validate(
            {
                "roomId": room or self.random.choice(ROOMS),
                "hostId": host or self._choose_mostly(HOST, *USERS),
                "status": status or self._choose_mostly("live", "idle", "ended"),
                "maxCoHosts": self.random.randint(1, 3),
            }
        )
        self._append_record(topics.ROOMS, data.room_id, data)

    def _user(self, user: str = "", status: str = "") -> None:
        user = user or self.random.choice(USERS)
        data = facts.UserChanged.model_validate(
            {"userId": user, "status": status or self._choose_mostly("active", "banned", "deleted")}
        )
        self._append_record(topics.USERS, user, data)

    def _tombstone(self) -> None:
        topic, keys = self.random.choice(((topics.ROOMS, ROOMS), (topics.USERS, USERS)))
        self._append_record(topic, self.random.choice(keys), None)


def _generate_script(seed: int, length: int) -> list[InputRecord]:
    return RecordGenerator(Random(seed)).generate_records(length)  # noqa: S311 - a script must be repeatable, not secret


SCRIPTS = st.builds(_generate_script, st.integers(0, 2**32), st.integers(20, 100))
