"""The work of a stage by its properties in memory, and by the queries on its rows: the same for any stage."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from cohost_schemas.signals import Track
from cohost_schemas.types import ConnectionStatus, MuteSource
from messaging import database
from messaging.config import Config
from services.broadcast import store
from services.broadcast.batch_changes import BatchChanges, MemberInRoom, work_from_changes
from services.broadcast.domain import permissions
from services.broadcast.domain.state import (
    Member,
    MemberKey,
    OneOffAction,
    Presence,
    Quality,
    ReleaseRequest,
    Room,
    Seat,
    Stage,
    UnpublishedQuality,
)

NOW = "2026-01-01T12:00:30.000Z"
TIMES = (None, "2026-01-01T12:00:00.000Z", NOW, "2026-01-01T12:01:00.000Z")
ACTION = OneOffAction("command", "mute", "microphone", "alice", "")
DISGUISED = Track(sid="TR_1", source="camera", muted=True, kind="audio")
QUALITIES = (None, *(UnpublishedQuality("poor", 300, at) for at in TIMES if at is not None))
CONNECTIONS: tuple[ConnectionStatus, ...] = ("never", "connected", "disconnected")
LANES = 3
LIMIT = 10_000


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    config = Config("", database_url, "broadcast")
    created = await database.create_pool(config, size=1)
    async with created.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.broadcast")
        await connection.execute("TRUNCATE rooms, members")
    yield created
    await created.close()


def random_room(chance: random.Random, room_id: str) -> Room:
    return Room(
        room_id,
        int(room_id) % LANES,
        "alice",
        "",
        "live",
        is_open=chance.random() < 0.6,
        deletion_version=chance.choice([None, None, 0, 7]),
    )


def random_member(chance: random.Random, user_id: str) -> Member:
    release = chance.choice([None, None, ReleaseRequest("no_show", "command")])
    hard_muted: tuple[MuteSource, ...] = chance.choice([(), ("microphone",)])
    seated = Seat("invitation", "", hard_muted, no_show_at=chance.choice(TIMES), release=release)
    seat = chance.choice([None, seated])
    return Member(
        user_id,
        seat,
        Presence(
            chance.choice(CONNECTIONS),
            grace_ends_at=chance.choice(TIMES),
            tracks=chance.choice([(), (DISGUISED,)]),
        ),
        desired_version=chance.randrange(2),
        applied_version=chance.randrange(2),
        actions=chance.choice([(), (), (ACTION,)]),
        quality=Quality(unpublished=chance.choice(QUALITIES)),
    )


def random_stages(chance: random.Random, count: int) -> dict[str, Stage]:
    return {
        room_id: Stage(
            random_room(chance, room_id),
            {
                name: random_member(chance, name)
                for name in ("alice", "bob", "carol")
                if chance.random() < 0.7
            },
        )
        for room_id in map(str, range(count))
    }


def next_stage(chance: random.Random, before: Stage) -> Stage:
    """Return a stage with the room, some members, both or neither changed."""
    other = random_stages(chance, 1)["0"]
    kept = {name: member for name, member in before.members.items() if chance.random() < 0.5}
    members = before.members if chance.random() < 0.3 else {**other.members, **kept}
    room = replace(other.room, room_id=before.room.room_id, lane=before.room.lane)
    return Stage(before.room if chance.random() < 0.3 else room, members)


def members_in(stages: dict[str, Stage]) -> list[MemberInRoom]:
    """Return all members in the order of their keys."""
    return [
        MemberInRoom(stages[room_id].room, member)
        for room_id in sorted(stages)
        for member in stages[room_id].sorted_members
    ]


@pytest.mark.parametrize("seed", range(5))
async def test_the_work_of_changes_is_the_work_that_queries_find(pool: asyncpg.Pool, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    stages: dict[str, Stage | None] = dict.fromkeys(map(str, range(200)))
    counted = 0
    async with pool.acquire() as connection:
        for _ in range(3):
            changes = BatchChanges()
            for room_id, before in stages.items():
                first = random_stages(chance, 1)["0"]
                after = next_stage(
                    chance,
                    before or Stage(replace(first.room, room_id=room_id, lane=int(room_id) % LANES), {}),
                )
                changes.add_difference(before, after)
                stages[room_id] = after
            await store.save_changes(connection, changes)
            rooms, members = work_from_changes(changes)
            found = await store.find_work(connection, [*map(MemberKey, changes.rooms), *changes.members])
            assert sorted(rooms, key=lambda room: room.room_id) == sorted(
                found[0], key=lambda room: room.room_id
            )
            assert sorted(members, key=lambda entry: entry.key) == sorted(
                found[1], key=lambda entry: entry.key
            )
            counted += len(rooms) * len(members)
    assert counted


@pytest.mark.parametrize("seed", range(5))
async def test_queries_find_what_the_properties_say(pool: asyncpg.Pool, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    stages = random_stages(chance, 300)
    changes = BatchChanges()
    for stage in stages.values():
        changes.add_difference(None, stage)
    members = [entry for entry in members_in(stages) if entry.room.lane != 2]
    rooms = [stages[room_id].room for room_id in sorted(stages) if stages[room_id].room.lane != 2]
    async with pool.acquire() as connection:
        await store.save_changes(connection, changes)
        deletions = await store.rooms_to_delete(connection, [0, 1], "", LIMIT)
        out_of_sync = await store.members_out_of_sync(connection, [0, 1], MemberKey(""), LIMIT)
        releases = await store.pending_releases(connection, [0, 1])
        expired = await store.expired_deadlines(connection, [0, 1], NOW, LIMIT)
        disguised = await store.rooms_with_disguised_tracks(connection, [0, 1])
        qualities = await store.due_qualities(connection, [0, 1], NOW, LIMIT)
        co_hosts = await store.count_co_hosts(connection, [0, 1])
    assert deletions == [room for room in rooms if room.is_deletion_pending]
    assert out_of_sync == [
        entry for entry in members if entry.room.can_apply_rights and entry.member.is_out_of_sync
    ]
    assert sorted(releases, key=lambda entry: entry.key) == [
        entry for entry in members if entry.member.is_release_pending
    ]
    assert sorted(expired, key=lambda entry: entry.key) == [
        entry for entry in members if entry.member.seat_deadline and entry.member.seat_deadline <= NOW
    ]
    assert disguised == {
        entry.room.room_id for entry in members if permissions.has_disguised_tracks(entry.member)
    }
    assert sorted(qualities, key=lambda entry: entry.key) == [
        entry for entry in members if entry.member.quality_due_at and entry.member.quality_due_at <= NOW
    ]
    counted = Counter((entry.room.lane, state) for entry in members for state in entry.member.co_host_states)
    assert {
        (lane, state): count for lane, states in co_hosts.items() for state, count in states.items()
    } == counted
    assert counted == {key: count for key, count in changes.co_host_changes.items() if key[0] != 2}
    assert min(map(len, (deletions, out_of_sync, releases, expired, disguised, qualities))) > 0
