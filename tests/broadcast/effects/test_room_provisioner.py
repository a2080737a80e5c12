"""Concurrent requests for LiveKit rooms."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from cohost_schemas.signals import RoomDeleted, RoomMade
from services.broadcast.domain.state import Stage
from services.broadcast.http import join, room_provisioner
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.calls import CallFailed
from services.runtime.http.problems import HttpProblem
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_participant,
    participant_joined,
    stage_changed,
)
from tests.broadcast.effects.effects_harness import EffectsHarness, open_effects_harness
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[EffectsHarness]:
    async with open_effects_harness(database_url, fake.url) as opened:
        yield opened


def create_provisioner(harness: EffectsHarness) -> RoomProvisioner:
    return RoomProvisioner(harness.livekit, harness.pool, harness.producer, 60)


async def test_requests_during_a_call_share_the_next_call(fake: FakeLiveKit, harness: EffectsHarness) -> None:
    rooms = create_provisioner(harness)
    fake.hanging_methods.add("CreateRoom")
    first = asyncio.create_task(rooms.ensure_room("room"))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    others = [asyncio.create_task(rooms.ensure_room("room")) for _ in range(50)]
    await asyncio.sleep(0)
    fake.hanging_methods.clear()
    fake.release.set()
    await asyncio.gather(first, *others)
    assert fake.calls["CreateRoom"] == 2
    await rooms.ensure_room("room")
    assert fake.calls["CreateRoom"] == 3


async def test_room_creations_are_limited_in_number(
    fake: FakeLiveKit, harness: EffectsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_provisioner, "_MAX_CALLS", 3)
    rooms = create_provisioner(harness)
    fake.hanging_methods.add("CreateRoom")
    requests = [asyncio.create_task(rooms.ensure_room(f"room-{number}")) for number in range(9)]
    while fake.calls["CreateRoom"] < 3:
        await asyncio.sleep(0)
    await harness.livekit.list_rooms()
    assert fake.calls["CreateRoom"] == 3
    fake.hanging_methods.clear()
    fake.release.set()
    await asyncio.gather(*requests)
    assert len(fake.rooms) == 9


async def test_a_room_that_was_seen_alive_is_not_created_again(
    fake: FakeLiveKit, harness: EffectsHarness
) -> None:
    await harness.decide_records(stage_changed())
    rooms = create_provisioner(harness)
    stage = await harness.load_stage(ROOM)
    for _ in range(20):
        assert await rooms.provide_room(stage) == stage
    await harness.decide_records(participant_joined(co_host_participant("alice")))
    await create_provisioner(harness).provide_room(await harness.load_stage(ROOM))
    assert fake.calls["CreateRoom"] == 1


async def test_a_room_that_livekit_lost_is_created_again(fake: FakeLiveKit, harness: EffectsHarness) -> None:
    await harness.decide_records(stage_changed())
    rooms = create_provisioner(harness)
    stage = await harness.load_stage(ROOM)
    await rooms.provide_room(stage)
    fake.rooms.clear()
    await rooms.provide_room(stage)
    assert ROOM in fake.rooms
    fake.error_replies["ListRooms"] = lambda: twirp_error(503, "unavailable")
    with pytest.raises(CallFailed):
        await rooms.provide_room(stage)


async def test_a_room_that_opened_again_is_created_again(fake: FakeLiveKit, harness: EffectsHarness) -> None:
    await harness.decide_records(stage_changed())
    rooms = create_provisioner(harness)
    await rooms.provide_room(await harness.load_stage(ROOM))
    await harness.decide_records(stage_changed("ended"), stage_changed())
    fake.rooms.clear()
    request = asyncio.create_task(rooms.provide_room(await harness.load_stage(ROOM)))
    version = (await harness.load_room(ROOM)).deletion_version or 0
    await harness.decide_records(RoomDeleted(room_id=ROOM, version=version))
    current = await request
    assert current is not None
    assert not current.room.is_deletion_pending
    assert ROOM in fake.rooms


async def test_requests_that_wait_for_a_deletion_share_its_queries(
    harness: EffectsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.decide_records(stage_changed(), stage_changed("ended"), stage_changed())
    rooms = create_provisioner(harness)
    stage = await harness.load_stage(ROOM)
    queries = 0

    async def load_pending(*_: object) -> dict[str, Stage]:
        nonlocal queries
        queries += 1
        return {ROOM: stage}

    monkeypatch.setattr(room_provisioner, "_MAX_DELETION_SECONDS", 1.0)
    monkeypatch.setattr("services.broadcast.http.room_provisioner.store.load_stages", load_pending)
    waiting = [asyncio.create_task(rooms.provide_room(stage)) for _ in range(50)]
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in ended] == [TimeoutError] * 50
    assert queries <= 6


async def test_a_cancelled_request_does_not_cancel_the_others(
    fake: FakeLiveKit, harness: EffectsHarness
) -> None:
    rooms = create_provisioner(harness)
    fake.hanging_methods.add("CreateRoom")
    cancelled, waiting = (asyncio.create_task(rooms.ensure_room("room")) for _ in range(2))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    cancelled.cancel()
    fake.hanging_methods.clear()
    fake.release.set()
    await waiting
    assert "room" in fake.rooms


async def test_a_failure_reaches_every_waiter_and_the_next_request_retries(
    fake: FakeLiveKit, harness: EffectsHarness
) -> None:
    rooms = create_provisioner(harness)
    fake.error_replies["CreateRoom"] = lambda: twirp_error(503, "unavailable")
    ended = await asyncio.gather(*(rooms.ensure_room("room") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in ended] == [CallFailed] * 3
    fake.error_replies.clear()
    await rooms.ensure_room("room")
    assert "room" in fake.rooms


async def test_a_request_returns_the_room_as_stored_after_the_creation(
    fake: FakeLiveKit, harness: EffectsHarness
) -> None:
    await harness.decide_records(stage_changed("idle"))
    fake.hanging_methods.add("CreateRoom")
    request = asyncio.create_task(create_provisioner(harness).ensure_room(ROOM))
    await harness.wait_until(lambda: fake.calls["CreateRoom"])
    await harness.decide_records(stage_changed("live"))
    fake.clear_faults()
    present = await request
    assert present is not None
    assert present.room.status == "live"
    assert harness.written == []


async def test_a_room_closed_during_its_creation_is_deleted_again(
    fake: FakeLiveKit, harness: EffectsHarness
) -> None:
    await harness.decide_records(stage_changed())
    fake.hanging_methods.add("CreateRoom")
    request = asyncio.create_task(create_provisioner(harness).ensure_room(ROOM))
    await harness.wait_until(lambda: fake.calls["CreateRoom"])
    await harness.decide_records(stage_changed("ended"))
    closed = await harness.load_room(ROOM)
    request.cancel()
    fake.clear_faults()
    await harness.wait_until(lambda: harness.written == [RoomMade(room_id=ROOM)])
    again = await harness.load_room(ROOM)
    assert (closed.deletion_version or 0) < (again.deletion_version or 0)


@pytest.mark.parametrize(("status", "wished_away"), [("ended", True), ("live", False)])
async def test_an_unanswered_creation_is_cleaned_up_if_the_room_closed(
    fake: FakeLiveKit, database_url: str, status: str, *, wished_away: bool
) -> None:
    fake.hanging_methods.add("CreateRoom")
    async with open_effects_harness(database_url, fake.url, livekit_seconds=0.5) as harness:
        await harness.decide_records(stage_changed())
        # The report comes at any time; it is decided below.
        harness.reads_signals = False
        with pytest.raises(CallFailed):
            await create_provisioner(harness).ensure_room(ROOM)
        await harness.decide_records(stage_changed(status))
        before = await harness.load_room(ROOM)
        await harness.wait_until(lambda: harness.written == [RoomMade(room_id=ROOM)])
        await harness.decide_records(*harness.written)
        after = await harness.load_room(ROOM)
    assert (after != before) is wished_away


async def test_a_refused_key_is_named_although_another_call_succeeds(
    fake: FakeLiveKit, harness: EffectsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.decide_records(stage_changed())
    fake.error_replies["CreateRoom"] = lambda: twirp_error(401, "unauthenticated")
    load_stage = join.load_stage

    async def load_after_a_call(pool: asyncpg.Pool, room_id: str) -> Stage:
        await harness.livekit.list_rooms()
        return await load_stage(pool, room_id)

    monkeypatch.setattr(join, "load_stage", load_after_a_call)
    with pytest.raises(HttpProblem) as refused:
        await join.prepare_join(harness.pool, create_provisioner(harness), ROOM, "alice", as_viewer=False)
    assert (refused.value.status, refused.value.reason) == (503, "livekit_refused")
