"""Resyncs of rooms with LiveKit: on a real Postgres and a fake LiveKit."""

from collections.abc import AsyncIterator

import pytest

from cohost_schemas import signals
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.effects import resyncer
from services.broadcast.effects.resyncer import RoomResyncer
from tests.broadcast import fake_livekit
from tests.broadcast.desk import Desk, open_desk, running
from tests.broadcast.fake_livekit import FakeLiveKit
from tests.broadcast.scenes import ROOM, accepted, stage_changed

ROOMS = [f"room-{number}" for number in range(9)]


@pytest.fixture
async def fake() -> AsyncIterator[FakeLiveKit]:
    async with fake_livekit.serve() as served:
        yield served


@pytest.fixture
async def harness(database_url: str, fake: FakeLiveKit) -> AsyncIterator[Desk]:
    async with open_desk(database_url, fake.url) as opened:
        yield opened


def compare(harness: Desk, seconds: float) -> RoomResyncer:
    return RoomResyncer(harness.around, SeatTimeouts(60, 0), seconds)


async def test_a_failing_room_does_not_block_the_resync_of_others(
    harness: Desk, fake: FakeLiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resyncer, "_ROOMS_PER_ROUND", 2)
    for room_id in ROOMS:
        await harness.say(stage_changed().model_copy(update={"room_id": room_id}))
        fake.join(room_id, "mallory", can_publish=True)
    fake.cursed |= {"room-0", "room-3"}
    async with running(compare(harness, 60)):
        await harness.until(lambda: len(found(harness)) == len(ROOMS) - 2)
        assert {"room-0", "room-3"}.isdisjoint(found(harness))
        await harness.until(lambda: set(ROOMS) == set(looks(fake)))
        assert len(looks(fake)) == len(ROOMS)
        fake.cursed.clear()
        await harness.until(lambda: sorted(found(harness)) == ROOMS)


def looks(fake: FakeLiveKit) -> list[str]:
    return [request.room for kind, request in fake.requests if kind == "ListParticipantsRequest"]


def found(harness: Desk) -> list[str]:
    return [snapshot.room_id for snapshot in harness.written if isinstance(snapshot, signals.RoomCompared)]


async def test_rooms_of_other_workers_lanes_are_skipped(harness: Desk, fake: FakeLiveKit) -> None:
    for room_id in ROOMS[:3]:
        await harness.say(stage_changed().model_copy(update={"room_id": room_id}))
        fake.join(room_id, "mallory", can_publish=True)
    async with harness.pool.acquire() as connection:
        await connection.execute(
            "UPDATE rooms SET lane = 7, document = document || '{\"lane\": 7}' WHERE room_id = 'room-1'"
        )
    async with running(compare(harness, 0.2)):
        await harness.until(lambda: fake.calls["ListRooms"] > 5)
    assert set(found(harness)) == {"room-0", "room-2"}


async def test_a_large_snapshot_keeps_every_badge_holder(
    harness: Desk, fake: FakeLiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resyncer, "_MAX_PARTICIPANTS", 4)
    monkeypatch.setattr(resyncer, "_RETRY_SECONDS", 0.1)
    await harness.say(stage_changed(), accepted("zoe"))
    for number in range(6):
        fake.join(ROOM, f"mallory-{number}", can_publish=True)
    fake.join(ROOM, "zoe", can_publish=True)
    async with running(compare(harness, 3600)):
        await harness.until(lambda: len(found(harness)) >= 1)
        snapshot = next(
            snapshot for snapshot in harness.written if isinstance(snapshot, signals.RoomCompared)
        )
        assert snapshot.participants[0].user_id == "zoe"
        assert len(snapshot.participants) == 4
        for user_id in [f"mallory-{number}" for number in range(3)]:
            del fake.rooms[ROOM][user_id]
        await harness.until(lambda: len(found(harness)) >= 2)
    assert {
        participant.user_id for snapshot in said_of(harness) for participant in snapshot.participants
    } >= {"mallory-5", "zoe"}


def said_of(harness: Desk) -> list[signals.RoomCompared]:
    return [snapshot for snapshot in harness.written if isinstance(snapshot, signals.RoomCompared)]


async def test_a_resync_is_retried_while_kafka_is_down(harness: Desk, fake: FakeLiveKit) -> None:
    await harness.say(stage_changed())
    fake.join(ROOM, "mallory", can_publish=True)
    harness.kafka = False
    async with running(compare(harness, 0.4)):
        await harness.until(lambda: fake.calls["ListParticipants"] >= 2)
        harness.kafka = True
        await harness.until(lambda: found(harness) == [ROOM])
