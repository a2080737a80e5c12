"""Deadlines, and what LiveKit says of whom they are about: real Postgres, faulty LiveKit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from schemas import commands, signals
from services.broadcast.comparison import Comparison
from services.broadcast.state import Patience
from services.broadcast.sweeper import Sweeper
from tests.broadcast import fake_livekit
from tests.broadcast.desk import Desk, open_desk, running
from tests.broadcast.fake_livekit import FakeLiveKit, refused
from tests.broadcast.scenes import ROOM, accepted, co_host, gone, joined, stage_changed

NO_PATIENCE = Patience(grace=0, no_show=0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        served.rooms[ROOM] = {}
        yield served


@pytest.fixture
async def desk(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url, NO_PATIENCE) as opened:
        yield opened


@dataclass
class Clock:
    """Both that sweep: what deadlines are about is compared, rooms are when they are asked for."""

    desk: Desk
    comparison: Comparison = field(init=False)

    def __post_init__(self) -> None:
        self.comparison = Comparison(self.desk.around, NO_PATIENCE, 3600)

    async def run(self) -> None:
        async with running(self.comparison):
            await Sweeper(self.desk.around, self.comparison).run()


async def dropped(desk: Desk, *user_ids: str) -> None:
    await desk.say(stage_changed())
    for user_id in user_ids:
        await desk.say(
            accepted(user_id, f"invitation-{user_id}"),
            joined(co_host(user_id, f"PA_old_{user_id}")),
            gone(user_id, f"PA_old_{user_id}"),
        )


async def test_a_co_host_who_does_not_return_is_lost(desk: Desk) -> None:
    await dropped(desk, "bob")
    async with running(Clock(desk)):
        await desk.until(lambda: any(isinstance(said, commands.ReleaseSeat) for said in desk.written))
    assert desk.names("bob") == ["CoHostConnected", "CoHostDisconnected", "CoHostLost"]


async def test_a_co_host_back_without_a_webhook_keeps_the_seat(desk: Desk, fake: FakeLiveKit) -> None:
    await dropped(desk, "bob", "carol")
    fake.join(ROOM, "bob")
    async with running(Clock(desk)):
        await desk.until(lambda: "CoHostReconnected" in desk.names("bob"))
        await desk.until(lambda: "CoHostLost" in desk.names("carol"))
    assert "CoHostLost" not in desk.names("bob")


async def test_an_unavailable_livekit_does_not_delay_deadlines(desk: Desk, fake: FakeLiveKit) -> None:
    await dropped(desk, "bob")
    fake.troubles["GetParticipant"] = lambda: refused(503, "unavailable")
    async with running(Clock(desk)):
        await desk.until(lambda: "CoHostLost" in desk.names("bob"))
    assert fake.calls["GetParticipant"] >= 1


async def test_unconfirmed_records_are_written_once_kafka_is_back(desk: Desk) -> None:
    await dropped(desk, *(f"user-{number}" for number in range(40)))
    desk.kafka = False
    async with running(Clock(desk)):
        await desk.until(lambda: desk.refused >= 40)
        desk.kafka = True
        await desk.until(lambda: sum(isinstance(said, commands.ReleaseSeat) for said in desk.written) == 40)
        assert sum(isinstance(said, signals.DeadlineReached) for said in desk.written) == 40


async def test_an_unconfirmed_release_is_retried_without_delay(desk: Desk) -> None:
    await dropped(desk, "bob")
    desk.deciding = False
    async with running(Clock(desk)):
        await desk.until(lambda: any(isinstance(said, signals.DeadlineReached) for said in desk.written))
        desk.kafka = False
        await desk.say(next(said for said in desk.written if isinstance(said, signals.DeadlineReached)))
        await desk.until(lambda: desk.refused >= 2)
        desk.kafka = True
        await desk.until(lambda: any(isinstance(said, commands.ReleaseSeat) for said in desk.written))
