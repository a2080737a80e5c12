"""Intruders are demoted, and removed the second time: real Postgres, fake LiveKit."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from livekit.protocol import models

from cohost_schemas import events, signals
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_participant,
    participant_joined,
    stage_changed,
    track_published,
)
from tests.broadcast.effects.effects_harness import EffectsHarness, open_effects_harness, run_effects
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[EffectsHarness]:
    async with open_effects_harness(database_url, fake.url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def run_reconciler(harness: EffectsHarness) -> AsyncIterator[None]:
    effects = harness.create_effects()
    async with run_effects(effects.poller, effects.reconciler):
        yield


async def join_intruder(harness: EffectsHarness, fake: FakeLiveKit, sid: str) -> None:
    """Let mallory join with rights, by the connection `sid`."""
    fake.add_participant(ROOM, "mallory", can_publish=True).sid = sid
    await harness.decide_records(participant_joined(co_host_participant("mallory", sid=sid)))


async def test_the_second_intrusion_of_an_identity_removes_it(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    await harness.decide_records(stage_changed())
    async with run_reconciler(harness):
        await join_intruder(harness, fake, "PA_1")
        await harness.wait_until(lambda: intruder_actions(harness) == ["demoted"])
        assert not fake.rooms[ROOM]["mallory"].permission.can_publish
        await join_intruder(harness, fake, "PA_2")
        await harness.wait_until(lambda: intruder_actions(harness) == ["demoted", "removed"])
    assert "mallory" not in fake.rooms[ROOM]


async def test_another_worker_removes_a_second_intrusion_too(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    await harness.decide_records(stage_changed())
    for connection in ("PA_1", "PA_2"):
        async with run_reconciler(harness):
            await join_intruder(harness, fake, connection)
            seen = len(harness.events)
            await harness.wait_until(lambda before=seen: len(harness.events) > before)
    assert intruder_actions(harness) == ["demoted", "removed"]


async def test_a_repeated_intruder_that_cannot_be_removed_is_demoted(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    await harness.decide_records(stage_changed())
    fake.error_replies["RemoveParticipant"] = lambda: twirp_error(503, "unavailable")
    async with run_reconciler(harness):
        for connection in ("PA_1", "PA_2"):
            await join_intruder(harness, fake, connection)
            await harness.wait_until(lambda: not fake.rooms[ROOM]["mallory"].permission.can_publish)
        await harness.wait_until(lambda: intruder_actions(harness) == ["demoted", "demoted"])


async def test_tracks_that_a_demotion_is_ending_are_no_second_intrusion(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    await harness.decide_records(stage_changed())
    async with run_reconciler(harness):
        await join_intruder(harness, fake, "PA_1")
        await harness.wait_until(lambda: intruder_actions(harness) == ["demoted"])
        fake.rooms[ROOM]["mallory"].tracks.add(sid="TR_1", source=models.TrackSource.MICROPHONE)
        await harness.decide_records(track_published("mallory"))
        await harness.wait_until(
            lambda: (
                isinstance(harness.written[-1], signals.GrantApplied) and harness.written[-1].mode == "clean"
            )
        )
    assert intruder_actions(harness) == ["demoted"]
    assert "mallory" in fake.rooms[ROOM]


def intruder_actions(harness: EffectsHarness) -> list[str]:
    return [event.action for event in harness.events if isinstance(event, events.IntruderRemoved)]
