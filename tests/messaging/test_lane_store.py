"""The lanes table: claims remember every owner that may still publish, and writes are fenced."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import asyncpg
import pytest

from messaging.database import Connection
from messaging.errors import Fenced
from messaging.lanes import lane_store
from messaging.lanes.lane import Lane
from tests.messaging.lane_tables import create_lane_tables
from tests.messaging.open_snapshot import hold_snapshot

TOPIC = "commands"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a database with one lane."""
    async with create_lane_tables(database_url, 1) as connection:
        yield connection


async def claim(connection: Connection, owner: str) -> Lane:
    [lane] = await lane_store.claim_lanes(connection, [0], owner)
    return lane


async def test_a_claim_remembers_every_owner_that_is_not_fenced(connection: Connection) -> None:
    await claim(connection, "first")
    await claim(connection, "second")
    third = await claim(connection, "third")
    assert third.unfenced_owners == {"first", "second"}
    await lane_store.mark_fenced(connection, [third])
    assert (await claim(connection, "fourth")).unfenced_owners == {"third"}


async def test_a_released_lane_has_no_owner_to_fence(connection: Connection) -> None:
    first = await claim(connection, "first")
    await lane_store.release_lanes(connection, [first])
    assert (await claim(connection, "second")).unfenced_owners == frozenset()


async def test_an_owner_that_will_be_fenced_can_write_none_of_its_lanes(connection: Connection) -> None:
    await lane_store.create_lanes(connection, 3)
    lanes = {lane.number: lane for lane in await lane_store.claim_lanes(connection, range(3), "first")}
    await lane_store.release_lanes(connection, [lanes[2]])
    await claim(connection, "second")
    with pytest.raises(Fenced):
        await lane_store.write_updates(connection, [lanes[1].snapshot_update()])
    assert [lane.unfenced_owners for lane in await lane_store.claim_lanes(connection, [1], "third")] == [
        {"first"}
    ]
    assert await connection.fetchval("SELECT epoch FROM lanes WHERE lane = 2") == lanes[2].epoch


async def test_a_write_from_other_positions_is_fenced(connection: Connection) -> None:
    lane = await claim(connection, "owner")
    lane.advance_position(TOPIC, 5)
    await lane_store.write_updates(connection, [lane.snapshot_update()])
    lane.advance_position(TOPIC, 7)
    update = lane.snapshot_update()
    other_start = dataclasses.replace(update.before, positions={TOPIC: 4})
    with pytest.raises(Fenced):
        await lane_store.write_updates(connection, [dataclasses.replace(update, before=other_start)])
    await lane_store.write_updates(connection, [update])


async def test_a_write_after_a_lost_batch_without_a_position_is_fenced(connection: Connection) -> None:
    lane = await claim(connection, "owner")
    lane.next_batch_number()
    lost = lane.snapshot_update()
    lane.next_batch_number()
    update = lane.snapshot_update()
    assert lost.before.positions == update.after.positions
    with pytest.raises(Fenced):
        await lane_store.write_updates(connection, [update])
    await lane_store.write_updates(connection, [lost])
    await lane_store.write_updates(connection, [update])


async def test_an_open_snapshot_makes_no_write_dearer(connection: Connection, database_url: str) -> None:
    lane = await claim(connection, "owner")
    read_entries = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'lanes'"

    async def write_batches(count: int) -> int:
        for _ in range(count):
            lane.next_batch_number()
            await lane_store.write_updates(connection, [lane.snapshot_update()])
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return int(await connection.fetchval(read_entries))

    async with hold_snapshot(database_url):
        before = await write_batches(200)
        assert await write_batches(10) - before == 10


async def test_a_lane_that_exists_is_not_created_again(connection: Connection) -> None:
    lane = await claim(connection, "owner")
    lane.next_batch_number()
    await lane_store.write_updates(connection, [lane.snapshot_update()])
    await lane_store.create_lanes(connection, 2)
    await connection.execute("INSERT INTO lanes (lane) VALUES (1) ON CONFLICT DO NOTHING")
    rows = await connection.fetch("SELECT lane, last_batch_number FROM lanes ORDER BY lane")
    assert list(map(tuple, rows)) == [(0, 1), (1, 0)]


async def test_rows_are_restored_without_a_search_path(connection: Connection, database_url: str) -> None:
    restoring = await asyncpg.connect(database_url, server_settings={"search_path": ""})
    await restoring.copy_records_to_table(
        "lanes", schema_name="counter", columns=["lane", "last_batch_number"], records=[(0, 5), (1, 7)]
    )
    await restoring.close()
    rows = await connection.fetch("SELECT lane, last_batch_number FROM lanes ORDER BY lane")
    assert list(map(tuple, rows)) == [(0, 0), (1, 7)]


async def test_lanes_that_two_workers_create_at_once_have_one_row_each(
    connection: Connection, database_url: str
) -> None:
    other = await asyncpg.connect(database_url, server_settings={"search_path": "counter"})
    async with connection.transaction():
        await lane_store.create_lanes(connection, 3)
        creating = asyncio.create_task(lane_store.create_lanes(other, 3))
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        while not await connection.fetchval(waiting):
            await asyncio.sleep(0.01)
    await creating
    await other.close()
    assert await connection.fetchval("SELECT array_agg(lane ORDER BY lane) FROM lanes") == [0, 1, 2]


async def test_a_write_after_another_claim_is_fenced(connection: Connection) -> None:
    lane = await claim(connection, "owner")
    await claim(connection, "another")
    with pytest.raises(Fenced):
        await lane_store.write_updates(connection, [lane.snapshot_update()])
