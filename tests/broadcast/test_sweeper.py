"""Deadlines, checked against LiveKit before they expire: real Postgres, fake LiveKit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from cohost_schemas import commands, signals
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.sweeper import Sweeper
from tests.broadcast import fake_livekit
from tests.broadcast.desk import Desk, open_desk, running
from tests.broadcast.fake_livekit import FakeLiveKit, refused
from tests.broadcast.scenes import ROOM, accepted, co_host, gone, joined, stage_changed

NO_PATIENCE = SeatTimeouts(grace_seconds=0, no_show_seconds=0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        served.rooms[ROOM] = {}
        yield served


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url, NO_PATIENCE) as opened:
        yield opened


@dataclass
class Clock:
    """The sweeper with the resyncer that it requests snapshots from."""

    desk: Desk
    comparison: RoomResyncer = field(init=False)

    def __post_init__(self) -> None:
        self.comparison = RoomResyncer(self.desk.around, NO_PATIENCE, 3600)

    async def run(self) -> None:
        async with running(self.comparison):
            await Sweeper(self.desk.around, self.comparison).run()


async def dropped(harness: Desk, *user_ids: str) -> None:
    await harness.say(stage_changed())
    for user_id in user_ids:
        await harness.say(
            accepted(user_id, f"invitation-{user_id}"),
            joined(co_host(user_id, f"PA_old_{user_id}")),
            gone(user_id, f"PA_old_{user_id}"),
        )


async def test_a_co_host_who_does_not_return_is_lost(harness: Desk) -> None:
    await dropped(harness, "bob")
    async with running(Clock(harness)):
        await harness.until(
            lambda: any(isinstance(record, commands.ReleaseSeat) for record in harness.written)
        )
    assert harness.names("bob") == ["CoHostConnected", "CoHostDisconnected", "CoHostLost"]


async def test_a_co_host_back_without_a_webhook_keeps_the_seat(harness: Desk, fake: FakeLiveKit) -> None:
    await dropped(harness, "bob", "carol")
    fake.join(ROOM, "bob")
    async with running(Clock(harness)):
        await harness.until(lambda: "CoHostReconnected" in harness.names("bob"))
        await harness.until(lambda: "CoHostLost" in harness.names("carol"))
    assert "CoHostLost" not in harness.names("bob")


async def test_an_unavailable_livekit_does_not_delay_deadlines(harness: Desk, fake: FakeLiveKit) -> None:
    await dropped(harness, "bob")
    fake.troubles["GetParticipant"] = lambda: refused(503, "unavailable")
    async with running(Clock(harness)):
        await harness.until(lambda: "CoHostLost" in harness.names("bob"))
    assert fake.calls["GetParticipant"] >= 1


async def test_unconfirmed_records_are_written_once_kafka_is_back(harness: Desk) -> None:
    await dropped(harness, *(f"user-{number}" for number in range(40)))
    harness.kafka = False
    async with running(Clock(harness)):
        await harness.until(lambda: harness.refused >= 40)
        harness.kafka = True
        await harness.until(
            lambda: sum(isinstance(record, commands.ReleaseSeat) for record in harness.written) == 40
        )
        assert sum(isinstance(record, signals.DeadlineReached) for record in harness.written) == 40


async def test_an_unconfirmed_release_is_retried_without_delay(harness: Desk) -> None:
    await dropped(harness, "bob")
    harness.deciding = False
    async with running(Clock(harness)):
        await harness.until(
            lambda: any(isinstance(record, signals.DeadlineReached) for record in harness.written)
        )
        harness.kafka = False
        await harness.say(
            next(record for record in harness.written if isinstance(record, signals.DeadlineReached))
        )
        await harness.until(lambda: harness.refused >= 2)
        harness.kafka = True
        await harness.until(
            lambda: any(isinstance(record, commands.ReleaseSeat) for record in harness.written)
        )
