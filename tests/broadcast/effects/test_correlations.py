"""Results of LiveKit calls carry the correlation of the record that requested the call."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from cohost_schemas.envelope import Correlation
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_left,
    invitation_accepted,
    mute_command,
    stage_changed,
    unmute_command,
)
from tests.broadcast.effects.effects_harness import EffectsHarness, open_effects_harness, run_effects
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error

ACCEPTANCE = Correlation("show 7", "00-parent", "vendor=1")
LATER = Correlation("show 8", "00-other")


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[EffectsHarness]:
    async with open_effects_harness(database_url, fake.url) as opened:
        await opened.decide_records(stage_changed())
        await opened.decide_records(invitation_accepted(), correlation=ACCEPTANCE)
        yield opened


@contextlib.asynccontextmanager
async def run_reconciler(harness: EffectsHarness) -> AsyncIterator[None]:
    effects = harness.create_effects(3600)
    async with run_effects(effects.poller, effects.reconciler):
        yield


async def test_a_grant_and_its_revocation_carry_what_asked_for_them(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    fake.add_participant(ROOM, "bob")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
        await harness.decide_records(co_host_left(), correlation=LATER)
        await harness.wait_until(lambda: "GrantRevoked" in harness.event_names())
    assert harness.correlations == [("GrantApplied", ACCEPTANCE), ("GrantApplied", LATER)]


async def test_a_failure_carries_what_asked_for_the_call(harness: EffectsHarness, fake: FakeLiveKit) -> None:
    fake.add_participant(ROOM, "bob")
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantFailed" in harness.event_names())
    assert harness.correlations == [("GrantCallFailed", ACCEPTANCE)]


async def test_a_deletion_of_a_room_carries_what_closed_it(harness: EffectsHarness) -> None:
    await harness.decide_records(stage_changed("ended"), co_host_left(reason="room_ended"), correlation=LATER)
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantRevoked" in harness.event_names())
    assert harness.correlations[-1] == ("RoomDeleted", LATER)


async def test_mutes_carry_what_their_commands_were_given(harness: EffectsHarness, fake: FakeLiveKit) -> None:
    fake.add_participant(ROOM, "bob")
    async with run_reconciler(harness):
        await harness.wait_until(lambda: "GrantProvisioned" in harness.event_names())
        await harness.decide_records(mute_command(), correlation=LATER)
        await harness.wait_until(lambda: ("ErrandDone", LATER) in harness.correlations)
        await harness.decide_records(mute_command(hard=True), correlation=LATER)
        await harness.wait_until(lambda: ("GrantApplied", LATER) in harness.correlations)
        await harness.decide_records(unmute_command(), correlation=ACCEPTANCE)
        await harness.wait_until(lambda: ("ErrandDone", ACCEPTANCE) in harness.correlations)
