"""Rooms that many ask for at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.broadcast import creation
from services.broadcast.creation import Creation
from services.broadcast.livekit import CallFailed, LiveKit
from tests.broadcast import fake_livekit
from tests.broadcast.fake_livekit import FakeLiveKit, refused
from tests.broadcast.test_livekit import livekit


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        yield served


@pytest.fixture
async def door(fake: FakeLiveKit) -> AsyncIterator[LiveKit]:
    opened = livekit(fake.url)
    yield opened
    await opened.close()


async def test_those_who_ask_during_a_call_share_the_next_one(fake: FakeLiveKit, door: LiveKit) -> None:
    rooms = Creation(door, 60)
    fake.hang.add("CreateRoom")
    first = asyncio.create_task(rooms.make("room"))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    others = [asyncio.create_task(rooms.make("room")) for _ in range(50)]
    await asyncio.sleep(0)
    fake.hang.clear()
    fake.let_go.set()
    await asyncio.gather(first, *others)
    assert fake.calls["CreateRoom"] == 2
    await rooms.make("room")
    assert fake.calls["CreateRoom"] == 3


async def test_only_so_many_rooms_are_made_at_once(
    fake: FakeLiveKit, door: LiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "_AT_ONCE", 3)
    rooms = Creation(door, 60)
    fake.hang.add("CreateRoom")
    asking = [asyncio.create_task(rooms.make(f"room-{number}")) for number in range(9)]
    while fake.calls["CreateRoom"] < 3:
        await asyncio.sleep(0)
    await door.rooms()
    assert fake.calls["CreateRoom"] == 3
    fake.hang.clear()
    fake.let_go.set()
    await asyncio.gather(*asking)
    assert len(fake.rooms) == 9


async def test_who_goes_away_takes_the_room_from_nobody_else(fake: FakeLiveKit, door: LiveKit) -> None:
    rooms = Creation(door, 60)
    fake.hang.add("CreateRoom")
    impatient, patient = (asyncio.create_task(rooms.make("room")) for _ in range(2))
    while not fake.calls["CreateRoom"]:
        await asyncio.sleep(0)
    impatient.cancel()
    fake.hang.clear()
    fake.let_go.set()
    await patient
    assert "room" in fake.rooms


async def test_a_failure_is_everybodys_and_the_next_tries_again(fake: FakeLiveKit, door: LiveKit) -> None:
    rooms = Creation(door, 60)
    fake.troubles["CreateRoom"] = lambda: refused(503, "unavailable")
    ended = await asyncio.gather(*(rooms.make("room") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in ended] == [CallFailed] * 3
    fake.troubles.clear()
    await rooms.make("room")
    assert "room" in fake.rooms
