"""Concurrent requests for LiveKit rooms."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cohost_schemas.signals import RoomMade
from services.broadcast.http import room_provisioner
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.client import CallFailed
from tests.broadcast import fake_livekit
from tests.broadcast.desk import Desk, open_desk
from tests.broadcast.fake_livekit import FakeLiveKit, refused
from tests.broadcast.scenes import ROOM, stage_changed


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        yield served


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url) as opened:
        yield opened


def creation_of(harness: Desk) -> RoomProvisioner:
    return RoomProvisioner(harness.around.livekit, harness.pool, harness.around.producer, 60)


async def test_requests_during_a_call_share_the_next_call(fake: FakeLiveKit, harness: Desk) -> None:
    rooms = creation_of(harness)
    fake.hang.add("CreateRoom")
    first = asyncio.create_task(rooms.ensure_room("room"))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    others = [asyncio.create_task(rooms.ensure_room("room")) for _ in range(50)]
    await asyncio.sleep(0)
    fake.hang.clear()
    fake.let_go.set()
    await asyncio.gather(first, *others)
    assert fake.calls["CreateRoom"] == 2
    await rooms.ensure_room("room")
    assert fake.calls["CreateRoom"] == 3


async def test_room_creations_are_limited_in_number(
    fake: FakeLiveKit, harness: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_provisioner, "_MAX_CALLS", 3)
    rooms = creation_of(harness)
    fake.hang.add("CreateRoom")
    requests = [asyncio.create_task(rooms.ensure_room(f"room-{number}")) for number in range(9)]
    while fake.calls["CreateRoom"] < 3:
        await asyncio.sleep(0)
    await harness.around.livekit.list_rooms()
    assert fake.calls["CreateRoom"] == 3
    fake.hang.clear()
    fake.let_go.set()
    await asyncio.gather(*requests)
    assert len(fake.rooms) == 9


async def test_a_cancelled_request_does_not_cancel_the_others(fake: FakeLiveKit, harness: Desk) -> None:
    rooms = creation_of(harness)
    fake.hang.add("CreateRoom")
    cancelled, waiting = (asyncio.create_task(rooms.ensure_room("room")) for _ in range(2))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    cancelled.cancel()
    fake.hang.clear()
    fake.let_go.set()
    await waiting
    assert "room" in fake.rooms


async def test_a_failure_reaches_every_waiter_and_the_next_request_retries(
    fake: FakeLiveKit, harness: Desk
) -> None:
    rooms = creation_of(harness)
    fake.troubles["CreateRoom"] = lambda: refused(503, "unavailable")
    ended = await asyncio.gather(*(rooms.ensure_room("room") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in ended] == [CallFailed] * 3
    fake.troubles.clear()
    await rooms.ensure_room("room")
    assert "room" in fake.rooms


async def test_a_request_returns_the_room_as_stored_after_the_creation(
    fake: FakeLiveKit, harness: Desk
) -> None:
    await harness.say(stage_changed("idle"))
    fake.hang.add("CreateRoom")
    request = asyncio.create_task(creation_of(harness).ensure_room(ROOM))
    await harness.until(lambda: fake.calls["CreateRoom"])
    await harness.say(stage_changed("live"))
    fake.recover()
    present = await request
    assert present is not None
    assert present.room.status == "live"
    assert harness.written == []


async def test_a_room_closed_during_its_creation_is_deleted_again(fake: FakeLiveKit, harness: Desk) -> None:
    await harness.say(stage_changed())
    fake.hang.add("CreateRoom")
    request = asyncio.create_task(creation_of(harness).ensure_room(ROOM))
    await harness.until(lambda: fake.calls["CreateRoom"])
    await harness.say(stage_changed("ended"))
    closed = await harness.load_room(ROOM)
    request.cancel()
    fake.recover()
    await harness.until(lambda: harness.written == [RoomMade(room_id=ROOM)])
    again = await harness.load_room(ROOM)
    assert (closed.deletion_version or 0) < (again.deletion_version or 0)


@pytest.mark.parametrize(("status", "wished_away"), [("ended", True), ("live", False)])
async def test_an_unanswered_creation_is_cleaned_up_if_the_room_closed(
    fake: FakeLiveKit, harness: Desk, status: str, *, wished_away: bool
) -> None:
    await harness.say(stage_changed())
    fake.hang.add("CreateRoom")
    with pytest.raises(CallFailed):
        await creation_of(harness).ensure_room(ROOM)
    await harness.say(stage_changed(status))
    before = await harness.load_room(ROOM)
    await harness.until(lambda: harness.written == [RoomMade(room_id=ROOM)])
    after = await harness.load_room(ROOM)
    assert (after != before) is wished_away
