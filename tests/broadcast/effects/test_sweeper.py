"""Deadlines, checked against LiveKit before they expire: real Postgres, fake LiveKit."""

import contextlib
import math
from collections.abc import AsyncIterator

import pytest

from cohost_schemas import commands, signals
from cohost_schemas.envelope import Correlation
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.effects import sweeper
from tests.broadcast import fake_livekit
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_participant,
    invitation_accepted,
    participant_joined,
    participant_left,
    quality_reported,
    stage_changed,
)
from tests.broadcast.effects.effects_harness import EffectsHarness, open_effects_harness, run_effects
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error

ZERO_TIMEOUTS = SeatTimeouts(grace_seconds=0, no_show_seconds=0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve_fake_livekit() as served:
        served.rooms[ROOM] = {}
        yield served


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[EffectsHarness]:
    async with open_effects_harness(database_url, fake.url, ZERO_TIMEOUTS) as opened:
        yield opened


@contextlib.asynccontextmanager
async def run_sweeper(harness: EffectsHarness) -> AsyncIterator[None]:
    """Run the sweeper with the resyncer that it requests snapshots from."""
    effects = harness.create_effects()
    async with run_effects(effects.resyncer, effects.sweeper):
        yield


async def disconnect_co_hosts(harness: EffectsHarness, *user_ids: str) -> None:
    await harness.decide_records(stage_changed())
    for user_id in user_ids:
        await harness.decide_records(
            invitation_accepted(user_id, f"invitation-{user_id}"),
            participant_joined(co_host_participant(user_id, f"PA_old_{user_id}")),
            participant_left(user_id, f"PA_old_{user_id}"),
        )


async def test_a_co_host_who_does_not_return_is_lost(harness: EffectsHarness) -> None:
    await disconnect_co_hosts(harness, "bob")
    async with run_sweeper(harness):
        await harness.wait_until(
            lambda: any(isinstance(record, commands.ReleaseSeat) for record in harness.written)
        )
    assert harness.event_names("bob") == ["CoHostConnected", "CoHostDisconnected", "CoHostLost"]


async def test_a_release_carries_the_correlation_of_the_acceptance(harness: EffectsHarness) -> None:
    acceptance = Correlation("show 7", "00-parent", "vendor=1")
    await harness.decide_records(stage_changed())
    await harness.decide_records(invitation_accepted(), correlation=acceptance)
    await harness.decide_records(
        participant_joined(co_host_participant("bob", "PA_old")), participant_left("bob", "PA_old")
    )
    async with run_sweeper(harness):
        await harness.wait_until(lambda: ("ReleaseSeat", acceptance) in harness.correlations)
    assert ("DeadlineReached", acceptance) in harness.correlations
    assert {correlation for name, correlation in harness.correlations if name != "RoomCompared"} == {
        acceptance
    }


async def test_a_co_host_back_without_a_webhook_keeps_the_seat(
    harness: EffectsHarness, fake: FakeLiveKit
) -> None:
    await disconnect_co_hosts(harness, "bob", "carol")
    fake.add_participant(ROOM, "bob")
    async with run_sweeper(harness):
        await harness.wait_until(lambda: "CoHostReconnected" in harness.event_names("bob"))
        await harness.wait_until(lambda: "CoHostLost" in harness.event_names("carol"))
    assert "CoHostLost" not in harness.event_names("bob")


async def test_a_livekit_that_does_not_answer_at_once_ends_no_seat(
    database_url: str, fake: FakeLiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_MAX_UNVERIFIED_SECONDS", math.inf)
    async with open_effects_harness(database_url, fake.url, ZERO_TIMEOUTS, 0.5) as harness:
        await disconnect_co_hosts(harness, "bob", "carol")
        fake.add_participant(ROOM, "bob")
        fake.hanging_methods.add("GetParticipant")
        async with run_sweeper(harness):
            await harness.wait_until(lambda: fake.calls["GetParticipant"] >= 5)
            fake.clear_faults()
            await harness.wait_until(lambda: "CoHostReconnected" in harness.event_names("bob"))
            await harness.wait_until(lambda: "CoHostLost" in harness.event_names("carol"))
    assert "CoHostLost" not in harness.event_names("bob")


async def test_an_unavailable_livekit_delays_deadlines_for_a_limited_time(
    harness: EffectsHarness, fake: FakeLiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_MAX_UNVERIFIED_SECONDS", 0.1)
    await disconnect_co_hosts(harness, "bob")
    fake.error_replies["GetParticipant"] = lambda: twirp_error(503, "unavailable")
    async with run_sweeper(harness):
        await harness.wait_until(lambda: "CoHostLost" in harness.event_names("bob"))
    assert fake.calls["GetParticipant"] >= 2


async def test_unconfirmed_records_are_written_once_kafka_is_back(harness: EffectsHarness) -> None:
    await disconnect_co_hosts(harness, *(f"user-{number}" for number in range(40)))
    harness.is_kafka_up = False
    async with run_sweeper(harness):
        await harness.wait_until(lambda: harness.failed_sends >= 40)
        harness.is_kafka_up = True
        await harness.wait_until(
            lambda: sum(isinstance(record, commands.ReleaseSeat) for record in harness.written) == 40
        )
        assert sum(isinstance(record, signals.DeadlineReached) for record in harness.written) == 40


async def test_an_unconfirmed_release_is_retried_without_delay(harness: EffectsHarness) -> None:
    await disconnect_co_hosts(harness, "bob")
    harness.reads_signals = False
    async with run_sweeper(harness):
        await harness.wait_until(
            lambda: any(isinstance(record, signals.DeadlineReached) for record in harness.written)
        )
        harness.is_kafka_up = False
        await harness.decide_records(
            next(record for record in harness.written if isinstance(record, signals.DeadlineReached))
        )
        await harness.wait_until(lambda: harness.failed_sends >= 2)
        harness.is_kafka_up = True
        await harness.wait_until(
            lambda: any(isinstance(record, commands.ReleaseSeat) for record in harness.written)
        )


async def test_a_quality_that_lasts_is_published_once(harness: EffectsHarness) -> None:
    await harness.decide_records(stage_changed(), invitation_accepted(), invitation_accepted("carol"))
    # Due ten seconds from now.
    harness.record_age_seconds = -5
    await harness.decide_records(quality_reported("poor", "carol"))
    harness.record_age_seconds = 6
    await harness.decide_records(
        quality_reported("lost", round_trip_ms=300), quality_reported("good", "alice")
    )
    harness.record_age_seconds = 0
    async with run_sweeper(harness):
        await harness.wait_until(lambda: len(harness.events) >= 2)
        published = [record for record in harness.written if isinstance(record, signals.QualityDue)]
        assert sorted(signal.user_id for signal in published) == ["alice", "bob"]
        await harness.wait_until(lambda: "ParticipantQualityChanged" in harness.event_names("carol"))
    assert harness.event_names() == ["ParticipantQualityChanged"] * 3
    members = (await harness.load_stage(ROOM)).members
    assert {user_id: member.quality.published for user_id, member in members.items()} == {
        "alice": "good",
        "bob": "lost",
        "carol": "poor",
    }
