"""The sweeper's commands for overdue invitations and bans: on a real Postgres, sent to a list."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, facts, timestamps, topics
from cohost_schemas.envelope import Correlation
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.inputs.broker import LaneBroker
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.processor import InputRecord, Rejection
from services.invitations.effects.sweeper import Sweeper
from tests.invitations.batch_harness import SCHEMA, BatchHarness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM

LONG_AGO = "2001-01-01T12:00:00.000Z"
SOON = "2126-01-01T12:00:00.000Z"


@dataclass
class RecordingProducer:
    """Collects commands instead of writing them to Kafka, or fails while Kafka is down."""

    letters: list[tuple[str, Message]] = field(default_factory=list)
    correlations: list[Correlation | None] = field(default_factory=list)
    away: bool = False

    async def send_message(
        self,
        topic: Topic,
        message_id: str,
        data: Message,
        key: str,
        correlation: Correlation | None = None,
    ) -> None:
        assert topic is topics.INVITATION_COMMANDS
        assert key == getattr(data, "room_id", None)
        self.letters.append((message_id, data))
        self.correlations.append(correlation)
        if self.away:
            raise NotConfirmed


@dataclass
class SweeperHarness:
    """A sweeper, its database, and the commands it sent."""

    book: BatchHarness
    box: RecordingProducer
    sweeper: Sweeper
    offsets: "count[int]" = field(default_factory=count)

    async def process_record(  # noqa: PLR0913 - the parts of a record
        self,
        topic: Topic,
        key: str,
        data: Any,
        name: str = "",
        *,
        at: str = SOON,
        correlation: Correlation | None = None,
    ) -> None:
        """Decide and store one record of lane 0."""
        offset = next(self.offsets)
        record = InputRecord(0, topic, offset, at, key, name or f"id-{offset}", data, correlation)
        await self.book.run_batches([[record]])

    async def send_invitation(  # noqa: PLR0913 - what the tests vary
        self,
        name: str,
        user: str = GUEST,
        room: str = ROOM,
        *,
        at: str = LONG_AGO,
        seconds: int = 86_400,
        correlation: Correlation | None = None,
    ) -> None:
        """Open a room and invite a user, for a day by default."""
        await self.process_record(
            topics.ROOMS, room, facts.RoomChanged(room_id=room, host_id=HOST, status="live")
        )
        command = commands.SendInvitation(
            room_id=room, user_id=user, actor_id=HOST, expires_in_seconds=seconds
        )
        await self.process_record(
            topics.INVITATION_COMMANDS, room, command, name, at=at, correlation=correlation
        )

    async def resend_invitation(self, name: str, seconds: int, *, at: str) -> None:
        """Send an invitation again, so that it expires after `seconds`."""
        command = commands.ResendInvitation(
            room_id=ROOM, invitation_id=name, actor_id=HOST, expires_in_seconds=seconds
        )
        await self.process_record(topics.INVITATION_COMMANDS, ROOM, command, at=at)

    async def sweep_commands(self) -> list[Message]:
        """Sweep once and return the commands sent."""
        before = len(self.box.letters)
        await self.sweeper.sweep_lanes([0])
        return [data for _, data in self.box.letters[before:]]

    async def age_requests(self, seconds: int) -> None:
        """Date every sent command `seconds` further back."""
        async with self.book.pool.acquire() as connection:
            await connection.execute(
                "UPDATE scheduled_commands SET published_at = published_at - make_interval(secs => $1)",
                seconds,
            )

    async def reject_requests(self) -> None:
        """Record a rejection as the outcome of every sent command."""
        async with self.book.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO outcomes (id, type, decided_at)"
                " SELECT command_id, '', now() FROM scheduled_commands"
            )


@pytest.fixture
def sweeper_harness(batch_harness: BatchHarness) -> SweeperHarness:
    config = Config("127.0.0.1:1", "", SCHEMA)
    pipeline = Pipeline(
        config,
        LaneBroker(config),
        batch_harness.processor,
        PipelineMetrics(CollectorRegistry(), "invitations"),
    )
    box = RecordingProducer()
    return SweeperHarness(batch_harness, box, Sweeper(pipeline, batch_harness.pool, box))  # type: ignore[arg-type]


def expire_command(name: str, room: str = ROOM) -> Message:
    return commands.ExpireInvitation(room_id=room, invitation_id=name)


def exclude_command(user: str, room: str = ROOM) -> Message:
    return commands.ExcludeUser(room_id=room, user_id=user)


async def test_an_overdue_invitation_is_requested_once(sweeper_harness: SweeperHarness) -> None:
    await sweeper_harness.send_invitation("i1")
    await sweeper_harness.send_invitation("i2", "carol", at=SOON)
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]
    assert await sweeper_harness.sweep_commands() == []


async def test_an_expiry_carries_the_correlation_of_the_sending(sweeper_harness: SweeperHarness) -> None:
    given = Correlation("show 7", "00-parent", "vendor=1")
    await sweeper_harness.send_invitation("i1", correlation=given)
    await sweeper_harness.send_invitation("i2", "carol")
    assert await sweeper_harness.sweep_commands() == [expire_command("i1"), expire_command("i2")]
    assert sweeper_harness.box.correlations == [given, Correlation("i2")]
    await sweeper_harness.age_requests(31)
    await sweeper_harness.sweep_commands()
    assert sweeper_harness.box.correlations[2:] == [given, Correlation("i2")]


async def test_an_invitation_resent_with_an_earlier_expiry_is_requested(
    sweeper_harness: SweeperHarness,
) -> None:
    now = timestamps.current_timestamp()
    await sweeper_harness.send_invitation("i1", at=timestamps.add_seconds(now, -30))
    assert await sweeper_harness.sweep_commands() == []
    await sweeper_harness.resend_invitation("i1", 10, at=timestamps.add_seconds(now, -15))
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]


async def test_an_invitation_resent_with_a_later_expiry_is_requested_again_only_then(
    sweeper_harness: SweeperHarness,
) -> None:
    now = timestamps.current_timestamp()
    await sweeper_harness.send_invitation("i1", at=timestamps.add_seconds(now, -60), seconds=40)
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]
    # The lane lags behind: the resending is decided after the sweeper saw the overdue invitation.
    await sweeper_harness.resend_invitation("i1", 600, at=timestamps.add_seconds(now, -45))
    await sweeper_harness.process_record(topics.INVITATION_COMMANDS, ROOM, expire_command("i1"), at=now)
    assert sweeper_harness.book.outcomes[-1] == Rejection("not_due")
    await sweeper_harness.reject_requests()
    await sweeper_harness.age_requests(3)
    assert await sweeper_harness.sweep_commands() == []
    await sweeper_harness.resend_invitation("i1", 10, at=timestamps.add_seconds(now, -30))
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]


async def test_lanes_of_other_workers_are_skipped(sweeper_harness: SweeperHarness) -> None:
    await sweeper_harness.send_invitation("i1")
    assert not await sweeper_harness.sweeper.sweep_lanes([1])
    assert not await sweeper_harness.sweeper.sweep_lanes([])
    assert sweeper_harness.box.letters == []


async def test_an_unanswered_command_is_repeated_under_its_id(
    sweeper_harness: SweeperHarness,
) -> None:
    await sweeper_harness.send_invitation("i1")
    await sweeper_harness.sweep_commands()
    assert await sweeper_harness.sweep_commands() == []
    await sweeper_harness.age_requests(31)
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first == second


async def test_a_rejected_command_still_due_is_sent_under_a_new_id(sweeper_harness: SweeperHarness) -> None:
    await sweeper_harness.send_invitation("i1")
    await sweeper_harness.sweep_commands()
    await sweeper_harness.reject_requests()
    # Dated ahead, or the two seconds could pass before the next line.
    await sweeper_harness.age_requests(-60)
    assert await sweeper_harness.sweep_commands() == []
    await sweeper_harness.age_requests(63)
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first != second


async def test_an_unconfirmed_command_is_repeated_at_once_under_its_id(
    sweeper_harness: SweeperHarness,
) -> None:
    await sweeper_harness.send_invitation("i1")
    sweeper_harness.box.away = True
    with pytest.raises(NotConfirmed):
        await sweeper_harness.sweeper.sweep_lanes([0])
    sweeper_harness.box.away = False
    assert await sweeper_harness.sweep_commands() == [expire_command("i1")]
    [(first, _), (second, _)] = sweeper_harness.box.letters
    assert first == second


async def test_decided_commands_are_deleted(sweeper_harness: SweeperHarness) -> None:
    await sweeper_harness.send_invitation("i1")
    await sweeper_harness.sweep_commands()
    await sweeper_harness.process_record(topics.INVITATION_COMMANDS, ROOM, expire_command("i1"))
    await sweeper_harness.reject_requests()
    await sweeper_harness.age_requests(3)
    assert await sweeper_harness.sweep_commands() == []
    async with sweeper_harness.book.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM scheduled_commands") == 0


@pytest.mark.parametrize("status", ["banned", "deleted", None])
async def test_an_ineligible_user_is_excluded_from_every_room_once(
    sweeper_harness: SweeperHarness, status: Any
) -> None:
    await sweeper_harness.send_invitation("i1", at=SOON)
    await sweeper_harness.send_invitation("i2", room="room-2", at=SOON)
    accept = commands.AcceptInvitation(room_id="room-2", invitation_id="i2", actor_id=GUEST)
    await sweeper_harness.process_record(topics.INVITATION_COMMANDS, "room-2", accept)
    await sweeper_harness.send_invitation("i3", room="room-3", user="carol", at=SOON)
    assert await sweeper_harness.sweep_commands() == []
    fact = None if status is None else facts.UserChanged(user_id=GUEST, status=status)
    await sweeper_harness.process_record(topics.USERS, GUEST, fact)
    assert sorted(await sweeper_harness.sweep_commands(), key=str) == [
        exclude_command(GUEST),
        exclude_command(GUEST, "room-2"),
    ]
    assert await sweeper_harness.sweep_commands() == []


async def test_the_next_owner_finds_users_made_ineligible_long_ago(sweeper_harness: SweeperHarness) -> None:
    await sweeper_harness.send_invitation("i1", at=SOON)
    await sweeper_harness.sweep_commands()
    await sweeper_harness.process_record(
        topics.USERS, GUEST, facts.UserChanged(user_id=GUEST, status="banned")
    )
    async with sweeper_harness.book.pool.acquire() as connection:
        await connection.execute("UPDATE users SET changed_at = now() - interval '1 day'")
    assert await sweeper_harness.sweep_commands() == []
    await sweeper_harness.sweeper.sweep_lanes([])
    assert await sweeper_harness.sweep_commands() == [exclude_command(GUEST)]


async def test_thousands_due_at_once_are_all_requested(sweeper_harness: SweeperHarness) -> None:
    due = 2500
    await sweeper_harness.send_invitation("i1")
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
