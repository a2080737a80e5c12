"""What is wished becomes so on LiveKit, whatever LiveKit answers: real Postgres, faulty LiveKit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from livekit.protocol import models

from schemas import signals
from services.broadcast.comparison import Comparison
from services.broadcast.reconciler import Reconciler
from services.broadcast.state import Patience
from tests.broadcast import fake_livekit
from tests.broadcast.desk import Desk, open_desk, running
from tests.broadcast.fake_livekit import FakeLiveKit, refused
from tests.broadcast.scenes import ROOM, accepted, left, mute, stage_changed

LONGEST_FIRST_REST = 0.25


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        yield served


@pytest.fixture
async def desk(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url, livekit_seconds=1) as opened:
        yield opened


def reconciler(desk: Desk, period: float = 3600) -> Reconciler:
    return Reconciler(desk.around, Comparison(desk.around, Patience(60, 0), period), desk.wakeup)


async def test_a_failed_grant_is_not_applied_after_its_revocation(desk: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    await desk.say(stage_changed(), accepted())
    async with running(reconciler(desk)):
        await desk.until(lambda: "GrantFailed" in desk.names())
        fake.hang.add("UpdateParticipant")
        await desk.say(left())
        calls = fake.calls["UpdateParticipant"]
        await desk.until(lambda: fake.calls["UpdateParticipant"] > calls)
        await desk.passed(LONGEST_FIRST_REST)
        fake.recover()
        await desk.until(lambda: "GrantRevoked" in desk.names())
        # What comes after this was wished after all that could still be under way.
        await desk.say(accepted("carol", "invitation-2"))
        await desk.until(lambda: "GrantProvisioned" in desk.names("carol"))
    assert not bob.permission.can_publish
    assert desk.names("bob") == ["GrantFailed", "GrantRevoked"]


async def test_a_refused_revocation_removes_the_participant(desk: Desk, fake: FakeLiveKit) -> None:
    fake.join(ROOM, "bob", can_publish=True)
    await desk.say(stage_changed(), accepted(), left())
    fake.troubles["UpdateParticipant"] = lambda: refused(400, "invalid_argument")
    async with running(reconciler(desk)):
        await desk.until(lambda: "GrantRevoked" in desk.names())
    assert "bob" not in fake.rooms[ROOM]
    assert desk.names() == ["GrantRevoked"]


async def test_a_repeatedly_failing_revocation_removes_the_participant(desk: Desk, fake: FakeLiveKit) -> None:
    fake.join(ROOM, "bob", can_publish=True)
    await desk.say(stage_changed(), accepted(), left())
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with running(reconciler(desk)):
        await desk.until(lambda: "GrantRevoked" in desk.names())
    assert fake.calls["UpdateParticipant"] > 3
    assert "bob" not in fake.rooms[ROOM]


async def test_a_refused_call_is_retried_after_a_period(desk: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    fake.troubles["UpdateParticipant"] = lambda: refused(401, "unauthenticated")
    await desk.say(stage_changed(), accepted())
    async with running(reconciler(desk, period=1.0)):
        await desk.until(lambda: fake.calls["UpdateParticipant"] >= 2)
        fake.troubles.clear()
        await desk.until(lambda: "GrantProvisioned" in desk.names())
    assert bob.permission.can_publish
    assert [name for name in desk.names() if name.startswith("Grant")] == ["GrantFailed", "GrantProvisioned"]


async def test_calls_finished_while_lanes_are_released_are_reported(desk: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await desk.say(stage_changed(), accepted())
    working = reconciler(desk)
    async with running(working):
        await desk.until(lambda: "GrantProvisioned" in desk.names())
        fake.hang.add("MutePublishedTrack")
        await desk.say(mute())
        await desk.until(lambda: fake.calls["MutePublishedTrack"] == 1)
        desk.owned.lanes = frozenset()
        letting_go = asyncio.create_task(working.releasing([0]))
        fake.recover()
        await letting_go
    assert isinstance(desk.written[-1], signals.ErrandDone)


async def test_an_unreportable_result_does_not_block_the_handover(desk: Desk, fake: FakeLiveKit) -> None:
    fake.join(ROOM, "bob")
    await desk.say(stage_changed(), accepted())
    desk.kafka = False
    working = reconciler(desk)
    async with running(working):
        await desk.until(lambda: desk.refused >= 1)
        desk.owned.lanes = frozenset()
        async with asyncio.timeout(2):
            await working.releasing([0])


async def test_a_soft_mute_outlasts_an_outage(desk: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await desk.say(stage_changed(), accepted())
    async with running(reconciler(desk)):
        await desk.until(lambda: "GrantProvisioned" in desk.names())
        desk.late = 120
        await desk.say(mute())
        await desk.until(lambda: bob.tracks[0].muted)


async def test_intermittent_failures_log_one_line(desk: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(10)]
    await desk.say(stage_changed())
    with structlog.testing.capture_logs() as logs:
        async with running(reconciler(desk)):
            for user_id in users:
                fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
                await desk.say(accepted(user_id, f"invitation-{user_id}"))
                await desk.until(lambda user_id=user_id: "GrantFailed" in desk.names(user_id))
                fake.troubles.clear()
                await desk.until(lambda user_id=user_id: "GrantProvisioned" in desk.names(user_id))
    assert [line["event"] for line in logs if "LiveKit" in line["event"]] == ["LiveKit calls failing"]


async def test_unreported_results_do_not_block_other_calls(desk: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(100)]
    await desk.say(stage_changed(), *(accepted(user_id, f"invitation-{user_id}") for user_id in users))
    desk.kafka = False
    async with running(reconciler(desk)):
        await desk.until(lambda: fake.calls["UpdateParticipant"] == len(users))
        desk.kafka = True
        await desk.until(lambda: desk.names().count("GrantProvisioned") == len(users))
    assert fake.calls["UpdateParticipant"] == len(users)


async def test_a_failing_livekit_is_called_few_times_a_second(desk: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(200)]
    await desk.say(stage_changed(), *(accepted(user_id, f"invitation-{user_id}") for user_id in users))
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with running(reconciler(desk)):
        await desk.until(lambda: fake.calls["UpdateParticipant"] >= 20)
        await desk.passed(1.0)
        assert fake.calls["UpdateParticipant"] < 150
        fake.troubles.clear()
        await desk.until(lambda: desk.names().count("GrantProvisioned") == len(users))


async def test_a_deletion_is_confirmed_only_after_others_have_timed_out(
    desk: Desk, fake: FakeLiveKit
) -> None:
    fake.rooms[ROOM] = {}
    await desk.say(stage_changed(), stage_changed("ended"))
    fake.hang.add("DeleteRoom")
    async with running(reconciler(desk)):
        await desk.until(lambda: fake.calls["DeleteRoom"] == 1)
        began = asyncio.get_running_loop().time()
        fake.hang.clear()
        await desk.until(lambda: any(isinstance(said, signals.RoomDeleted) for said in desk.written))
    assert asyncio.get_running_loop().time() - began > 1.5 * desk.around.livekit.seconds
