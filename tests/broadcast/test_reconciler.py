"""The reconciler applies the desired state despite LiveKit's errors: real Postgres, fake LiveKit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from livekit.protocol import models

from cohost_schemas import signals
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.effects.reconciler import Reconciler
from services.broadcast.effects.resyncer import RoomResyncer
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
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url, livekit_seconds=1) as opened:
        yield opened


def reconciler(harness: Desk, period: float = 3600) -> Reconciler:
    return Reconciler(
        harness.around, RoomResyncer(harness.around, SeatTimeouts(60, 0), period), harness.wakeup
    )


async def test_a_failed_grant_is_not_applied_after_its_revocation(harness: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    await harness.say(stage_changed(), accepted())
    async with running(reconciler(harness)):
        await harness.until(lambda: "GrantFailed" in harness.names())
        fake.hang.add("UpdateParticipant")
        await harness.say(left())
        calls = fake.calls["UpdateParticipant"]
        await harness.until(lambda: fake.calls["UpdateParticipant"] > calls)
        await harness.passed(LONGEST_FIRST_REST)
        fake.recover()
        await harness.until(lambda: "GrantRevoked" in harness.names())
        # This item comes after every call that could still be in progress.
        await harness.say(accepted("carol", "invitation-2"))
        await harness.until(lambda: "GrantProvisioned" in harness.names("carol"))
    assert not bob.permission.can_publish
    assert harness.names("bob") == ["GrantFailed", "GrantRevoked"]


async def test_a_refused_revocation_removes_the_participant(harness: Desk, fake: FakeLiveKit) -> None:
    fake.join(ROOM, "bob", can_publish=True)
    await harness.say(stage_changed(), accepted(), left())
    fake.troubles["UpdateParticipant"] = lambda: refused(400, "invalid_argument")
    async with running(reconciler(harness)):
        await harness.until(lambda: "GrantRevoked" in harness.names())
    assert "bob" not in fake.rooms[ROOM]
    assert harness.names() == ["GrantRevoked"]


async def test_a_repeatedly_failing_revocation_removes_the_participant(
    harness: Desk, fake: FakeLiveKit
) -> None:
    fake.join(ROOM, "bob", can_publish=True)
    await harness.say(stage_changed(), accepted(), left())
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with running(reconciler(harness)):
        await harness.until(lambda: "GrantRevoked" in harness.names())
    assert fake.calls["UpdateParticipant"] > 3
    assert "bob" not in fake.rooms[ROOM]


async def test_a_refused_call_is_retried_after_a_period(harness: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    fake.troubles["UpdateParticipant"] = lambda: refused(401, "unauthenticated")
    await harness.say(stage_changed(), accepted())
    async with running(reconciler(harness, period=1.0)):
        await harness.until(lambda: fake.calls["UpdateParticipant"] >= 2)
        fake.troubles.clear()
        await harness.until(lambda: "GrantProvisioned" in harness.names())
    assert bob.permission.can_publish
    assert [name for name in harness.names() if name.startswith("Grant")] == [
        "GrantFailed",
        "GrantProvisioned",
    ]


async def test_calls_finished_while_lanes_are_released_are_reported(harness: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await harness.say(stage_changed(), accepted())
    working = reconciler(harness)
    async with running(working):
        await harness.until(lambda: "GrantProvisioned" in harness.names())
        fake.hang.add("MutePublishedTrack")
        await harness.say(mute())
        await harness.until(lambda: fake.calls["MutePublishedTrack"] == 1)
        harness.owned.owned_lanes = frozenset()
        letting_go = asyncio.create_task(working.on_lanes_releasing([0]))
        fake.recover()
        await letting_go
    assert isinstance(harness.written[-1], signals.ErrandDone)


async def test_an_unreportable_result_does_not_block_the_handover(harness: Desk, fake: FakeLiveKit) -> None:
    fake.join(ROOM, "bob")
    await harness.say(stage_changed(), accepted())
    harness.kafka = False
    working = reconciler(harness)
    async with running(working):
        await harness.until(lambda: harness.refused >= 1)
        harness.owned.owned_lanes = frozenset()
        async with asyncio.timeout(2):
            await working.on_lanes_releasing([0])


async def test_a_soft_mute_outlasts_an_outage(harness: Desk, fake: FakeLiveKit) -> None:
    bob = fake.join(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await harness.say(stage_changed(), accepted())
    async with running(reconciler(harness)):
        await harness.until(lambda: "GrantProvisioned" in harness.names())
        harness.late = 120
        await harness.say(mute())
        await harness.until(lambda: bob.tracks[0].muted)


async def test_intermittent_failures_log_one_line(harness: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(10)]
    await harness.say(stage_changed())
    with structlog.testing.capture_logs() as logs:
        async with running(reconciler(harness)):
            for user_id in users:
                fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
                await harness.say(accepted(user_id, f"invitation-{user_id}"))
                await harness.until(lambda user_id=user_id: "GrantFailed" in harness.names(user_id))
                fake.troubles.clear()
                await harness.until(lambda user_id=user_id: "GrantProvisioned" in harness.names(user_id))
    assert [line["event"] for line in logs if "LiveKit" in line["event"]] == ["LiveKit calls failing"]


async def test_unreported_results_do_not_block_other_calls(harness: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(100)]
    await harness.say(stage_changed(), *(accepted(user_id, f"invitation-{user_id}") for user_id in users))
    harness.kafka = False
    async with running(reconciler(harness)):
        await harness.until(lambda: fake.calls["UpdateParticipant"] == len(users))
        harness.kafka = True
        await harness.until(lambda: harness.names().count("GrantProvisioned") == len(users))
    assert fake.calls["UpdateParticipant"] == len(users)


async def test_a_failing_livekit_is_called_few_times_a_second(harness: Desk, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(200)]
    await harness.say(stage_changed(), *(accepted(user_id, f"invitation-{user_id}") for user_id in users))
    fake.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with running(reconciler(harness)):
        await harness.until(lambda: fake.calls["UpdateParticipant"] >= 20)
        await harness.passed(1.0)
        assert fake.calls["UpdateParticipant"] < 150
        fake.troubles.clear()
        await harness.until(lambda: harness.names().count("GrantProvisioned") == len(users))


async def test_a_deletion_is_confirmed_only_after_others_have_timed_out(
    harness: Desk, fake: FakeLiveKit
) -> None:
    fake.rooms[ROOM] = {}
    await harness.say(stage_changed(), stage_changed("ended"))
    fake.hang.add("DeleteRoom")
    async with running(reconciler(harness)):
        await harness.until(lambda: fake.calls["DeleteRoom"] == 1)
        began = asyncio.get_running_loop().time()
        fake.hang.clear()
        await harness.until(
            lambda: any(isinstance(record, signals.RoomDeleted) for record in harness.written)
        )
    assert asyncio.get_running_loop().time() - began > 1.5 * harness.around.livekit.timeout_seconds
