"""The sweeper's commands for overdue invitations and bans: on a real Postgres, sent to a list."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, facts, topics
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.processor import InputRecord
from services.invitations.effects.sweeper import Sweeper
from tests.invitations.ledger import SCHEMA, Ledger
from tests.invitations.theatre import GUEST, HOST, ROOM

LONG_AGO = "2001-01-01T12:00:00.000Z"
SOON = "2126-01-01T12:00:00.000Z"


@dataclass
class Letterbox:
    """Collects commands instead of writing them to Kafka, or fails while Kafka is down."""

    letters: list[tuple[str, Message]] = field(default_factory=list)
    away: bool = False

    async def send_message(self, topic: Topic, message_id: str, data: Message, key: str) -> None:
        assert topic is topics.INVITATION_COMMANDS
        assert key == getattr(data, "room_id", None)
        self.letters.append((message_id, data))
        if self.away:
            raise NotConfirmed


@dataclass
class Broom:
    """A sweeper, its database, and the commands it sent."""

    book: Ledger
    box: Letterbox
    sweeper: Sweeper
    offsets: "count[int]" = field(default_factory=count)

    async def hear(self, topic: Topic, key: str, data: Any, name: str = "", *, at: str = SOON) -> None:
        """Decide and store one record of lane 0."""
        offset = next(self.offsets)
        await self.book.run([[InputRecord(0, topic, offset, at, key, name or f"id-{offset}", data)]])

    async def invite(self, name: str, user: str = GUEST, room: str = ROOM, *, at: str = LONG_AGO) -> None:
        """Open a room and invite a user for a day."""
        await self.hear(topics.ROOMS, room, facts.RoomChanged(room_id=room, host_id=HOST, status="live"))
        command = commands.SendInvitation(room_id=room, user_id=user, actor_id=HOST)
        await self.hear(topics.INVITATION_COMMANDS, room, command, name, at=at)

    async def asked(self) -> list[Message]:
        """Sweep once and return the commands sent."""
        before = len(self.box.letters)
        await self.sweeper.sweep_lanes([0])
        return [data for _, data in self.box.letters[before:]]

    async def later(self, seconds: int) -> None:
        """Date every sent command `seconds` further back."""
        async with self.book.pool.acquire() as connection:
            await connection.execute(
                "UPDATE scheduled_commands SET published_at = published_at - make_interval(secs => $1)",
                seconds,
            )

    async def refused(self) -> None:
        """Record a rejection as the outcome of every sent command."""
        async with self.book.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO outcomes (id, type, decided_at)"
                " SELECT command_id, '', now() FROM scheduled_commands"
            )


@pytest.fixture
def sweeper_harness(batch_harness: Ledger) -> Broom:
    config = Config("127.0.0.1:1", "", SCHEMA)
    pipeline = Pipeline(config, batch_harness.domain, PipelineMetrics(CollectorRegistry(), "invitations"))
    box = Letterbox()
    return Broom(batch_harness, box, Sweeper(pipeline, batch_harness.pool, box))  # type: ignore[arg-type]


def expire(name: str, room: str = ROOM) -> Message:
    return commands.ExpireInvitation(room_id=room, invitation_id=name)


def exclude(user: str, room: str = ROOM) -> Message:
    return commands.ExcludeUser(room_id=room, user_id=user)


async def test_an_overdue_invitation_is_requested_once(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1")
    await sweeper_harness.invite("i2", "carol", at=SOON)
    assert await sweeper_harness.asked() == [expire("i1")]
    assert await sweeper_harness.asked() == []


async def test_lanes_of_other_workers_are_skipped(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1")
    assert not await sweeper_harness.sweeper.sweep_lanes([1])
    assert not await sweeper_harness.sweeper.sweep_lanes([])
    assert sweeper_harness.box.letters == []


async def test_an_unanswered_command_is_repeated_under_its_id(
    sweeper_harness: Broom,
) -> None:
    await sweeper_harness.invite("i1")
    await sweeper_harness.asked()
    await sweeper_harness.later(29)
    assert await sweeper_harness.asked() == []
    await sweeper_harness.later(2)
    assert await sweeper_harness.asked() == [expire("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first == second


async def test_a_rejected_command_still_due_is_sent_under_a_new_id(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1")
    await sweeper_harness.asked()
    await sweeper_harness.refused()
    assert await sweeper_harness.asked() == []
    await sweeper_harness.later(3)
    assert await sweeper_harness.asked() == [expire("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first != second


async def test_an_unconfirmed_command_is_repeated_at_once_under_its_id(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1")
    sweeper_harness.box.away = True
    with pytest.raises(NotConfirmed):
        await sweeper_harness.sweeper.sweep_lanes([0])
    sweeper_harness.box.away = False
    assert await sweeper_harness.asked() == [expire("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first == second


async def test_decided_commands_are_deleted(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1")
    await sweeper_harness.asked()
    await sweeper_harness.hear(topics.INVITATION_COMMANDS, ROOM, expire("i1"))
    await sweeper_harness.refused()
    await sweeper_harness.later(3)
    assert await sweeper_harness.asked() == []
    async with sweeper_harness.book.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM scheduled_commands") == 0


@pytest.mark.parametrize("status", ["banned", "deleted", None])
async def test_an_ineligible_user_is_excluded_from_every_room_once(
    sweeper_harness: Broom, status: Any
) -> None:
    await sweeper_harness.invite("i1", at=SOON)
    await sweeper_harness.invite("i2", room="room-2", at=SOON)
    accept = commands.AcceptInvitation(room_id="room-2", invitation_id="i2", actor_id=GUEST)
    await sweeper_harness.hear(topics.INVITATION_COMMANDS, "room-2", accept)
    await sweeper_harness.invite("i3", room="room-3", user="carol", at=SOON)
    assert await sweeper_harness.asked() == []
    fact = None if status is None else facts.UserChanged(user_id=GUEST, status=status)
    await sweeper_harness.hear(topics.USERS, GUEST, fact)
    assert sorted(await sweeper_harness.asked(), key=str) == [exclude(GUEST), exclude(GUEST, "room-2")]
    assert await sweeper_harness.asked() == []


async def test_the_next_owner_finds_users_made_ineligible_long_ago(sweeper_harness: Broom) -> None:
    await sweeper_harness.invite("i1", at=SOON)
    await sweeper_harness.asked()
    await sweeper_harness.hear(topics.USERS, GUEST, facts.UserChanged(user_id=GUEST, status="banned"))
    async with sweeper_harness.book.pool.acquire() as connection:
        await connection.execute("UPDATE users SET changed_at = now() - interval '1 day'")
    assert await sweeper_harness.asked() == []
    await sweeper_harness.sweeper.sweep_lanes([])
    assert await sweeper_harness.asked() == [exclude(GUEST)]


async def test_thousands_due_at_once_are_all_requested(sweeper_harness: Broom) -> None:
    due = 2500
    await sweeper_harness.invite("i1")
    async with sweeper_harness.book.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO pending SELECT room_id, 'user-' || n, lane, 'i-' || n, expires_at"
            " FROM pending, generate_series(2, $1::int) AS n",
            due,
        )
    assert await sweeper_harness.sweeper.sweep_lanes([0])
    assert await sweeper_harness.sweeper.sweep_lanes([0])
    assert not await sweeper_harness.sweeper.sweep_lanes([0])
    assert len({str(data) for _, data in sweeper_harness.box.letters}) == due
