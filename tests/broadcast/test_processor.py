"""Batches on a real Postgres: neither their boundaries nor the cache change the result."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, events, topics
from cohost_schemas.types import Message
from messaging import database
from messaging.config import Config
from messaging.processor import InputRecord, OutputRecord, Rejection
from services.broadcast import store
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Member, MemberKey, SeatTimeouts
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import BroadcastProcessor
from tests.broadcast.domain.stage_builder import (
    ROOM,
    SEAT_TIMEOUTS,
    StageScript,
    co_host_left,
    co_host_participant,
    grant_applied,
    invitation_accepted,
    mute_command,
    participant_joined,
    participant_left,
    stage_changed,
    time_at,
    track_published,
    unmute_command,
)

SCRIPT: Sequence[Message] = (
    mute_command(),
    stage_changed("idle"),
    invitation_accepted(),
    grant_applied(1),
    participant_joined(co_host_participant()),
    track_published(),
    mute_command(hard=True),
    mute_command(),
    stage_changed("live"),
    invitation_accepted("carol", "invitation-2"),
    participant_joined(co_host_participant("mallory", "PA_7")),
    participant_left(),
    unmute_command(),
    co_host_left(),
    invitation_accepted(invitation_id="invitation-3"),
    grant_applied(7),
    stage_changed("ended"),
    co_host_left("carol", "invitation-2", "room_ended"),
    co_host_left("bob", "invitation-3", "room_ended"),
    stage_changed("live", "carol"),
)


def input_record(record: Message, offset: int) -> InputRecord:
    topic = topics.BROADCAST_COMMANDS if isinstance(record, commands.BROADCAST) else topics.BROADCAST_SIGNALS
    return InputRecord(0, topic, offset, time_at(offset), ROOM, f"record-{offset}", record)


@pytest.fixture
async def pool(database_url: str) -> Any:
    config = Config("", database_url, "broadcast")
    created = await database.create_pool(config, size=3)
    async with created.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
    yield created
    await created.close()


async def run_script(
    pool: asyncpg.Pool, cuts: Sequence[int], *, without_cache: bool
) -> tuple[list[OutputRecord | Rejection], dict[str, Any]]:
    """Return the outputs of the script, processed in batches, and the stages stored afterwards."""
    processor = BroadcastProcessor(
        SeatTimeouts(grace_seconds=60, no_show_seconds=30), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
    )
    records = [input_record(record, offset) for offset, record in enumerate(SCRIPT, 1)]
    outputs: list[OutputRecord | Rejection] = []
    for start, end in pairwise([0, *cuts, len(records)]):
        changes = processor.new_changes()
        async with pool.acquire() as connection, connection.transaction():
            await processor.load(connection, records[start:end])
            for record in records[start:end]:
                decided = processor.decide(record, changes)
                outputs += [decided] if isinstance(decided, Rejection) else decided
            await processor.save(connection, changes)
        for cache in processor.caches:
            cache.end_batch()
            if without_cache:
                cache.drop_lanes([0])
    async with pool.acquire() as connection:
        stored: dict[str, Any] = dict(await store.load_stages(connection, [ROOM]))
        await connection.execute("TRUNCATE rooms, members")
    return outputs, stored


async def test_batch_boundaries_and_cache_contents_change_nothing(pool: asyncpg.Pool) -> None:
    whole = await run_script(pool, [], without_cache=False)
    single = list(range(1, len(SCRIPT)))
    assert whole[1]
    assert [
        event
        for event in whole[0]
        if isinstance(event, OutputRecord) and isinstance(event.data, events.GrantRevoked)
    ]
    for cuts in (single, single[::2], single[::3], [7]):
        assert await run_script(pool, cuts, without_cache=True) == whole
        assert await run_script(pool, cuts, without_cache=False) == whole


@pytest.mark.parametrize("size", [1, 3, len(SCRIPT)])
async def test_dirty_keys_match_the_pending_work_in_postgres(pool: asyncpg.Pool, size: int) -> None:
    dirty_keys = DirtyKeys()
    processor = BroadcastProcessor(
        SeatTimeouts(grace_seconds=60, no_show_seconds=30), dirty_keys, LiveKitMetrics(CollectorRegistry())
    )
    records = [input_record(record, offset) for offset, record in enumerate(SCRIPT, 1)]
    outputs = 0
    for start in range(0, len(records), size):
        changes = processor.new_changes()
        async with pool.acquire() as connection, connection.transaction():
            await processor.load(connection, records[start : start + size])
            for record in records[start : start + size]:
                processor.decide(record, changes)
            await processor.save(connection, changes)
        assert dirty_keys.drain_committed() == ([], [])
        processor.on_committed(changes)
        rooms, members = dirty_keys.drain_committed()
        async with pool.acquire() as connection:
            keys = [*map(MemberKey, changes.rooms), *changes.members]
            assert (rooms, members) == await store.find_work(connection, keys)
        outputs += len(rooms) + len(members)
    assert outputs
    async with pool.acquire() as connection:
        await connection.execute("TRUNCATE rooms, members")


async def test_pending_invitations_need_no_query(pool: asyncpg.Pool) -> None:
    processor = BroadcastProcessor(
        SeatTimeouts(grace_seconds=60, no_show_seconds=0), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
    )
    sent = events.InvitationSent(
        **{**invitation_accepted().model_dump(), "status": "pending", "responded_at": None}
    )
    async with pool.acquire() as connection:
        await connection.execute("DROP TABLE rooms CASCADE")
        await processor.load(connection, [input_record(sent, 1)])
    assert processor.decide(input_record(sent, 1), processor.new_changes()) == ()


async def test_pending_work_and_due_deadlines_are_found(pool: asyncpg.Pool) -> None:
    processor = BroadcastProcessor(
        SeatTimeouts(grace_seconds=60, no_show_seconds=30), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
    )
    records = [input_record(record, offset) for offset, record in enumerate(SCRIPT[1:12], 1)]
    changes = processor.new_changes()
    async with pool.acquire() as connection:
        await processor.load(connection, records)
        for record in records:
            processor.decide(record, changes)
        await processor.save(connection, changes)
        pending = await store.members_out_of_sync(connection, [0], MemberKey(""), 10)
        found = await store.find_work(
            connection, [MemberKey(ROOM, "carol"), MemberKey(ROOM), MemberKey("other", "carol")]
        )
        due = await store.expired_deadlines(connection, [0], time_at(10_000), 10)
        nothing_yet = await store.expired_deadlines(connection, [0], time_at(0), 10)
        elsewhere = await store.members_out_of_sync(connection, [1], MemberKey(""), 10)
    assert [entry.member.user_id for entry in pending] == ["bob", "carol", "mallory"]
    assert [entry.member.user_id for entry in found[1]] == ["carol"]
    assert [entry.member.user_id for entry in due] == ["carol", "bob"]
    assert (found[0], nothing_yet, elsewhere) == ([], [], [])


def test_the_cache_weighs_the_members_of_its_stages() -> None:
    (cache,) = BroadcastProcessor(
        SeatTimeouts(60, 0), DirtyKeys(), LiveKitMetrics(CollectorRegistry())
    ).caches
    stage = StageScript()(stage_changed("live")).stage
    assert stage is not None
    crowded = stage.with_members(*(Member(f"user-{number}", suspect=True) for number in range(60_000)))
    for number in range(5):
        cache.put(f"room-{number}", 0, crowded)
        cache.end_batch()
    # The last two batches stay beyond the limit.
    assert list(cache) == ["room-3", "room-4"]


async def test_intruders_are_counted_by_action_after_the_commit(pool: asyncpg.Pool) -> None:
    registry = CollectorRegistry()
    processor = BroadcastProcessor(SEAT_TIMEOUTS, DirtyKeys(), LiveKitMetrics(registry))
    script = (stage_changed(), track_published("mallory"), grant_applied(1, "mallory"))
    records = [input_record(record, offset) for offset, record in enumerate(script, 1)]
    changes = processor.new_changes()
    async with pool.acquire() as connection:
        await processor.load(connection, records)
    for record in records:
        processor.decide(record, changes)

    def counts() -> list[float | None]:
        actions = ("demoted", "removed")
        return [registry.get_sample_value("cohost_intruders_total", {"action": action}) for action in actions]

    assert counts() == [0, 0]
    processor.on_committed(changes)
    assert counts() == [1, 0]
