"""The numbers and stages for ops: the queries on rows say what the stages say, also of rows from before."""

import random
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

import asyncpg
import pytest

from cohost_schemas.ops.state import StageCondition
from cohost_schemas.types import ConnectionQuality
from messaging.database import Connection
from services.broadcast import store
from services.broadcast.batch_changes import BatchChanges
from services.broadcast.domain.state import Member, Presence, Quality, Room, Seat, Stage, trouble
from services.broadcast.http import state_queries
from tests.broadcast.test_store import pool, random_stages

__all__ = ["pool"]  # the fixture

QUALITIES: tuple[ConnectionQuality | None, ...] = (None, "excellent", "good", "poor", "lost")
COLUMNS = "room_id, user_id, co_host_state, trouble, out_of_sync_since IS NULL AS is_in_sync"
SEAT = Seat("invitation", "2026-01-01T12:00:00.000Z")
POOR = Quality("poor", "2026-01-01T12:00:00.000Z")


def possible_stages(seed: int) -> dict[str, Stage]:
    """Return random stages: in each nobody is connected and in grace, and only work can fail."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    return {
        room_id: Stage(
            replace(stage.room, host_id="alice"),
            {name: possible_member(chance, member) for name, member in stage.members.items()},
        )
        for room_id, stage in random_stages(chance, 300).items()
    }


def possible_member(chance: random.Random, member: Member) -> Member:
    presence = member.presence
    if presence.state != "disconnected":
        presence = replace(presence, grace_ends_at=None)
    return replace(
        member,
        presence=presence,
        failing=not member.has_rights_in_sync and chance.random() < 0.3,
        quality=replace(member.quality, published=chance.choice(QUALITIES)),
    )


async def save(connection: Connection, stages: Mapping[str, Stage]) -> None:
    changes = BatchChanges()
    for stage in stages.values():
        changes.add_difference(None, stage)
    await store.save_changes(connection, changes)


def condition_of(stage: Stage) -> StageCondition:
    members = stage.members.values()
    states = [member.co_host_states for member in members]
    return StageCondition(
        room_id=stage.room.room_id,
        host_connected=stage.member_or_empty(stage.room.host_id).presence.is_connected,
        seats=len(stage.seated_members),
        connected=sum("connected" in each for each in states),
        in_grace=sum("in_grace" in each for each in states),
        never_connected=sum(
            member.seat is not None and member.seat.release is None and member.presence.state == "never"
            for member in members
        ),
        poor_quality=sum(member.quality.is_bad and member.presence.is_connected for member in members),
        out_of_sync=sum(member.is_out_of_sync for member in members),
        failing_grants=sum(member.failing for member in members),
        trouble=sum(map(trouble.trouble_of, members)),
    )


def by_trouble(stages: Mapping[str, Stage]) -> list[StageCondition]:
    conditions = [condition_of(stage) for stage in stages.values() if stage.room.can_apply_rights]
    return sorted(conditions, key=lambda condition: (-condition.trouble, condition.room_id))


@pytest.mark.parametrize("seed", range(3))
async def test_numbers_and_stages_are_those_of_all_stages(pool: asyncpg.Pool, seed: int) -> None:
    stages = possible_stages(seed)
    members = [member for stage in stages.values() for member in stage.members.values()]
    states = [member.co_host_states for member in members]
    async with pool.acquire() as connection:
        await save(connection, stages)
        counts = await state_queries.count_state(connection)
        listed = {limit: await state_queries.find_stages(connection, limit) for limit in (1, 20, 200)}
        open_calls = await state_queries.measure_open_calls(connection)
    assert counts == {
        "connected": sum("connected" in each for each in states),
        "in_grace": sum("in_grace" in each for each in states),
        "out_of_sync": sum(member.is_out_of_sync for member in members),
        "failing_grants": sum(member.failing for member in members),
    }
    assert min(counts.values()) > 0
    expected = by_trouble(stages)
    assert 20 < len(expected) <= 200
    assert listed == {limit: expected[:limit] for limit in listed}
    rooms = sum(stage.room.is_deletion_pending for stage in stages.values())
    assert open_calls.calls_pending == counts["out_of_sync"] + rooms


@pytest.mark.parametrize("seed", range(3))
async def test_rows_from_before_get_the_same_columns(pool: asyncpg.Pool, seed: int) -> None:
    migration = resources.files("services.broadcast") / "sql" / "0008_numbers_for_ops.sql"
    fill = next(
        part for part in migration.read_text().split(";") if part.strip().startswith("UPDATE members")
    )
    async with pool.acquire() as connection:
        await save(connection, possible_stages(seed))
        written = await columns(connection)
        await connection.execute(
            "UPDATE members SET co_host_state = 'x', trouble = -1, out_of_sync_since = 'epoch'"
        )
        await connection.execute(fill)
        assert await columns(connection) == written


async def columns(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM members ORDER BY room_id, user_id")
    return [dict(row) for row in rows]


async def test_the_oldest_open_call_keeps_its_age_until_it_is_done(pool: asyncpg.Pool) -> None:
    room = Room("room", 0, "alice", "", "live", is_open=True)
    waiting = Member("bob", SEAT, desired_version=1)
    async with pool.acquire() as connection:
        await save(connection, {"room": Stage(room, {"bob": waiting})})
        await connection.execute("UPDATE members SET out_of_sync_since = now() - interval '1 minute'")
        again = replace(waiting, desired_version=2, failing=True)
        await save(
            connection, {"room": Stage(room, {"bob": again, "carol": replace(waiting, user_id="carol")})}
        )
        found = await state_queries.measure_open_calls(connection)
        assert found.calls_pending == 2
        assert found.oldest_pending_seconds is not None
        assert 60 <= found.oldest_pending_seconds < 120
        done = {name: replace(again, user_id=name, applied_version=2) for name in ("bob", "carol")}
        await save(connection, {"room": Stage(room, done)})
        assert (await state_queries.measure_open_calls(connection)).oldest_pending_seconds is None


def test_trouble_is_weighted() -> None:
    connected = Presence("connected")
    members = (
        Member("alice", presence=connected),
        Member("failing", SEAT, connected, desired_version=1, failing=True),
        Member("never", SEAT),
        Member("grace", SEAT, Presence("disconnected", grace_ends_at="2026-01-01T12:00:00.000Z")),
        Member("poor", SEAT, connected, quality=POOR),
        Member("gone", SEAT, Presence("disconnected"), quality=POOR),
        Member("waiting", SEAT, connected, desired_version=1),
    )
    assert [trouble.trouble_of(member) for member in members] == [0, 1001, 100, 100, 10, 0, 1]
    stage = Stage(Room("room", 0, "alice", "", "live"), {member.user_id: member for member in members})
    assert condition_of(stage).trouble == 1212
