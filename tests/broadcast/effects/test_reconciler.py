"""The reconciler applies the desired state despite LiveKit's errors: real Postgres, fake LiveKit."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import structlog
from aiohttp import web
from livekit.protocol import models

from cohost_schemas import events, signals
from services.broadcast.effects.reconciler import Reconciler
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_left,
    invitation_accepted,
    mute_command,
    stage_changed,
)
from tests.broadcast.effects.effects_harness import (
    PATIENT_SECONDS,
    EffectsHarness,
    open_effects_harness,
    run_effects,
)
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error

MAX_FIRST_RETRY_SECONDS = 0.25


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[EffectsHarness]:
    async with open_effects_harness(database_url, fake.url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def run_reconciler(harness: EffectsHarness, period: float = 3600) -> AsyncIterator[Reconciler]:
    effects = harness.create_effects(period)
    async with run_effects(effects.poller, effects.reconciler):
        yield effects.reconciler


async def test_a_failed_grant_is_not_applied_after_its_revocation(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    bob = fake.add_participant(ROOM, "bob")
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantFailed" in harness.event_names())
        fake.hanging_methods.add("UpdateParticipant")
        await harness.decide_records(co_host_left())
        calls = fake.calls["UpdateParticipant"]
        await harness.wait_until(lambda: fake.calls["UpdateParticipant"] > calls)
        await harness.wait_seconds(MAX_FIRST_RETRY_SECONDS)
        fake.clear_faults()
        await harness.wait_until(lambda: "GrantRevoked" in harness.event_names())
        # This item comes after every call that could still be in progress.
        await harness.decide_records(invitation_accepted("carol", "invitation-2"))
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names("carol"))
    assert not bob.permission.can_publish
    assert harness.event_names("bob") == ["GrantFailed", "GrantRevoked"]


async def test_a_refused_revocation_removes_the_participant(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    fake.add_participant(ROOM, "bob", can_publish=True)
    await harness.decide_records(stage_changed(), invitation_accepted(), co_host_left())
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(400, "invalid_argument")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantRevoked" in harness.event_names())
    assert "bob" not in fake.rooms[ROOM]
    assert harness.event_names() == ["GrantRevoked"]


async def test_a_repeatedly_failing_revocation_removes_the_participant(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    fake.add_participant(ROOM, "bob", can_publish=True)
    await harness.decide_records(stage_changed(), invitation_accepted(), co_host_left())
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantRevoked" in harness.event_names())
    assert fake.calls["UpdateParticipant"] > 3
    assert "bob" not in fake.rooms[ROOM]


async def test_a_refused_call_is_retried_after_a_period(harness: EffectsHarness, fake: FakeLiveKit) -> None:
    bob = fake.add_participant(ROOM, "bob")
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(401, "unauthenticated")
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness, period=1.0):
        await harness.wait_until(lambda: fake.calls["UpdateParticipant"] >= 2)
        fake.error_replies.clear()
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
    assert bob.permission.can_publish
    assert [name for name in harness.event_names() if name.startswith("Grant")] == [
        "GrantFailed",
        "GrantProvisioned",
    ]


async def test_a_limited_call_is_retried_after_the_time_that_livekit_asks_for(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    bob = fake.add_participant(ROOM, "bob")
    limited_at: list[float] = []

    def limit_rate() -> web.Response:
        limited_at.append(time.monotonic())
        return web.json_response(
            {"code": "resource_exhausted", "msg": ""}, status=429, headers={"Retry-After": "2"}
        )

    fake.error_replies["UpdateParticipant"] = limit_rate
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantFailed" in harness.event_names())
        fake.error_replies.clear()
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
    assert time.monotonic() - limited_at[0] > 1.5
    assert fake.calls["UpdateParticipant"] == 2
    assert bob.permission.can_publish


async def test_calls_finished_while_lanes_are_released_are_reported(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    bob = fake.add_participant(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness) as reconciler:
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
        fake.hanging_methods.add("MutePublishedTrack")
        await harness.decide_records(mute_command())
        await harness.wait_until(lambda: fake.calls["MutePublishedTrack"] == 1)
        harness.lane_owner.owned_lanes = frozenset()
        letting_go = asyncio.create_task(reconciler.on_lanes_releasing([0]))
        fake.clear_faults()
        await letting_go
    assert isinstance(harness.written[-1], signals.ErrandDone)


async def test_an_unreportable_result_does_not_block_the_handover(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    fake.add_participant(ROOM, "bob")
    await harness.decide_records(stage_changed(), invitation_accepted())
    harness.is_kafka_up = False
    async with run_reconciler(harness) as reconciler:
        await harness.wait_until(lambda: harness.failed_sends >= 1)
        harness.lane_owner.owned_lanes = frozenset()
        # Well before the call would time out.
        async with asyncio.timeout(PATIENT_SECONDS / 2):
            await reconciler.on_lanes_releasing([0])


async def test_a_soft_mute_outlasts_an_outage(harness: EffectsHarness, fake: FakeLiveKit) -> None:
    bob = fake.add_participant(ROOM, "bob")
    bob.tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
        harness.record_age_seconds = 120
        await harness.decide_records(mute_command())
        await harness.wait_until(lambda: bob.tracks[0].muted)


async def test_a_hard_mute_mutes_disguised_tracks_until_it_succeeds(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    bob = fake.add_participant(ROOM, "bob")
    for sid, source, kind in [
        ("TR_1", models.TrackSource.CAMERA, models.TrackType.AUDIO),
        ("TR_2", models.TrackSource.CAMERA, models.TrackType.VIDEO),
        ("TR_3", models.TrackSource.SCREEN_SHARE_AUDIO, models.TrackType.AUDIO),
    ]:
        bob.tracks.add(sid=sid, source=source, type=kind)
    await harness.decide_records(stage_changed(), invitation_accepted())
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "CoHostConnected" in harness.event_names())
        assert not any(track.muted for track in bob.tracks)
        fake.error_replies["MutePublishedTrack"] = lambda: twirp_error(503, "unavailable")
        await harness.decide_records(mute_command(hard=True))
        await harness.wait_until(lambda: fake.calls["MutePublishedTrack"] >= 2)
        fake.error_replies.clear()
        await harness.wait_until(lambda: harness.event_names().count("CoHostMediaChanged") == 2)
    assert [track.muted for track in bob.tracks] == [True, False, True]
    last = harness.events[-1]
    assert isinstance(last, events.CoHostMediaChanged)
    assert (last.published, last.muted) == (("camera", "screen_share_audio"), ("screen_share_audio",))


async def test_intermittent_failures_log_one_line(harness: EffectsHarness, fake: FakeLiveKit) -> None:
    users = [f"user-{number}" for number in range(10)]
    await harness.decide_records(stage_changed())
    with structlog.testing.capture_logs() as logs:
        async with run_reconciler(harness):
            for user_id in users:
                fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
                await harness.decide_records(invitation_accepted(user_id, f"invitation-{user_id}"))
                await harness.wait_until(
                    lambda user_id=user_id: "GrantFailed" in harness.event_names(user_id)
                )
                fake.error_replies.clear()
                await harness.wait_until(
                    lambda user_id=user_id: "GrantProvisioned" in harness.event_names(user_id)
                )
    assert [line["event"] for line in logs if "LiveKit" in line["event"]] == ["LiveKit calls failing"]


async def test_unreported_results_do_not_block_other_calls(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    users = [f"user-{number}" for number in range(100)]
    await harness.decide_records(
        stage_changed(), *(invitation_accepted(user_id, f"invitation-{user_id}") for user_id in users)
    )
    harness.is_kafka_up = False
    async with run_reconciler(harness):
        await harness.wait_until(lambda: fake.calls["UpdateParticipant"] == len(users))
        harness.is_kafka_up = True
        await harness.wait_until(lambda: harness.event_names().count("GrantProvisioned") == len(users))
    assert fake.calls["UpdateParticipant"] == len(users)


async def test_a_failing_livekit_is_called_few_times_a_second(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    users = [f"user-{number}" for number in range(200)]
    await harness.decide_records(
        stage_changed(), *(invitation_accepted(user_id, f"invitation-{user_id}") for user_id in users)
    )
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: fake.calls["UpdateParticipant"] >= 20)
        await harness.wait_seconds(1.0)
        assert fake.calls["UpdateParticipant"] < 150
        fake.error_replies.clear()
        await harness.wait_until(lambda: harness.event_names().count("GrantProvisioned") == len(users))


async def test_a_deletion_is_confirmed_only_after_others_have_timed_out(
    database_url: str, fake: FakeLiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.rooms[ROOM] = {}
    async with open_effects_harness(database_url, fake.url, livekit_seconds=1) as harness:
        began = record_deletions(harness, monkeypatch)
        await harness.decide_records(stage_changed(), stage_changed("ended"))
        fake.hanging_methods.add("DeleteRoom")
        async with run_reconciler(harness):
            await harness.wait_until(lambda: fake.calls["DeleteRoom"] >= 1)
            fake.hanging_methods.clear()
            await harness.wait_until(
                lambda: any(isinstance(record, signals.RoomDeleted) for record in harness.written)
            )
        assert began[1] - began[0] > 1.5 * harness.livekit.timeout_seconds


def record_deletions(harness: EffectsHarness, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times at which deletions begin from now on."""
    began: list[float] = []
    delete_room = harness.livekit.delete_room

    async def recorded(room_id: str) -> None:
        began.append(time.monotonic())
        await delete_room(room_id)

    monkeypatch.setattr(harness.livekit, "delete_room", recorded)
    return began
