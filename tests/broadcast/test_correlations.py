"""Correlation of broadcast's events: a grant has the acceptance's, a revocation that of the seat's end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from cohost_schemas import signals, topics
from cohost_schemas.envelope import Correlation
from cohost_schemas.types import Message
from messaging import database
from messaging.config import Config
from messaging.processor import InputRecord, Rejection
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import BroadcastProcessor
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_left,
    co_host_participant,
    grant_applied,
    invitation_accepted,
    mute_command,
    participant,
    participant_joined,
    participant_left,
    stage_changed,
    time_at,
    unmute_command,
)

ACCEPTANCE = Correlation("show 7", "00-parent", "vendor=1")
ENDING = Correlation("show 8", "00-other")
SIGNAL = Correlation("signal")

Published = list[tuple[str, Correlation | None]]


@dataclass
class StoredStage:
    """Decides records one by one, each with an empty cache: what they need comes from Postgres."""

    pool: asyncpg.Pool
    second: int = 0

    async def decide(self, data: Message, correlation: Correlation | None = SIGNAL) -> Published:
        """Decide and store a record; return its events' names and correlations."""
        processor = BroadcastProcessor(
            SeatTimeouts(grace_seconds=0, no_show_seconds=0), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
        )
        self.second += 1
        at = time_at(self.second)
        record = InputRecord(
            0, topics.BROADCAST_SIGNALS, self.second, at, ROOM, f"record-{self.second}", data, correlation
        )
        changes = processor.new_changes()
        async with self.pool.acquire() as connection, connection.transaction():
            await processor.load(connection, [record])
            decided = processor.decide(record, changes)
            await processor.save(connection, changes)
        assert not isinstance(decided, Rejection)
        return [
            (type(output.data).__name__, output.correlation)
            for output in decided
            if output.topic is topics.BROADCAST_EVENTS
        ]

    async def seat_bob(self) -> None:
        """Open the room and give bob a seat."""
        assert await self.decide(stage_changed()) == []
        assert await self.decide(invitation_accepted(), ACCEPTANCE) == []

    async def forget_correlations(self) -> None:
        """Make the stored rows those of an earlier version."""
        async with self.pool.acquire() as connection:
            await connection.execute(
                "UPDATE members SET document = document - 'correlation'::text #- '{seat,correlation}'::text[]"
            )


@pytest.fixture
async def stored(database_url: str) -> AsyncIterator[StoredStage]:
    config = Config("", database_url, "broadcast")
    pool = await database.create_pool(config, size=1)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
    yield StoredStage(pool)
    await pool.close()


def call_failed(version: int) -> signals.GrantCallFailed:
    return signals.GrantCallFailed(
        room_id=ROOM, user_id="bob", version=version, error="no answer", attempts=1, retryable=True
    )


async def test_a_grant_carries_the_acceptances(stored: StoredStage) -> None:
    await stored.seat_bob()
    assert await stored.decide(call_failed(1)) == [("GrantFailed", ACCEPTANCE)]
    assert await stored.decide(grant_applied(1)) == [("GrantProvisioned", ACCEPTANCE)]


async def test_a_failure_after_the_grant_carries_the_mutes(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.decide(mute_command(hard=True), ENDING)
    assert await stored.decide(call_failed(2)) == [("GrantFailed", ACCEPTANCE)]
    assert await stored.decide(grant_applied(2)) == [("GrantProvisioned", ACCEPTANCE)]
    await stored.decide(unmute_command(), ENDING)
    assert await stored.decide(call_failed(3)) == [("GrantFailed", ENDING)]
    await stored.decide(grant_applied(3))
    await stored.decide(participant_joined(participant("bob")))
    assert await stored.decide(call_failed(4)) == [("GrantFailed", ACCEPTANCE)]


async def test_a_revocation_carries_what_ended_the_seat(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.decide(grant_applied(1))
    assert await stored.decide(co_host_left(), ENDING) == []
    assert await stored.decide(call_failed(2)) == [("GrantFailed", ENDING)]
    await stored.decide(invitation_accepted(invitation_id="invitation-2"), ACCEPTANCE)
    assert await stored.decide(grant_applied(3)) == [
        ("GrantRevoked", ENDING),
        ("GrantProvisioned", ACCEPTANCE),
    ]


async def test_revocations_with_the_room_carry_what_ended_each_seat(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.decide(invitation_accepted("carol", "invitation-2"), ACCEPTANCE)
    await stored.decide(co_host_left("carol", "invitation-2"), ACCEPTANCE)
    await stored.decide(stage_changed("ended"), ENDING)
    assert await stored.decide(co_host_left(reason="room_ended"), ENDING) == []
    assert await stored.decide(signals.RoomDeleted(room_id=ROOM, version=4)) == [
        ("GrantRevoked", ACCEPTANCE),
        ("GrantRevoked", ENDING),
    ]


async def test_a_revocation_decided_on_the_end_itself_carries_its_cause(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.decide(stage_changed("ended"), ENDING)
    await stored.decide(signals.RoomDeleted(room_id=ROOM, version=2))
    assert await stored.decide(co_host_left(reason="room_ended"), ENDING) == [("GrantRevoked", None)]


async def test_a_lost_co_host_carries_the_acceptances(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.decide(participant_joined(co_host_participant()))
    assert await stored.decide(participant_left()) == [("CoHostDisconnected", None)]
    expired = signals.DeadlineReached(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        kind="grace",
        due_at=time_at(stored.second),
        command_id="command",
    )
    assert await stored.decide(expired) == [("CoHostLost", ACCEPTANCE)]


async def test_stages_of_an_earlier_version_leave_events_with_their_causes(stored: StoredStage) -> None:
    await stored.seat_bob()
    await stored.forget_correlations()
    assert await stored.decide(grant_applied(1)) == [("GrantProvisioned", None)]
    await stored.decide(co_host_left(), ENDING)
    assert await stored.decide(grant_applied(2)) == [("GrantRevoked", ENDING)]
