"""The oldest batch of each lane, found without reading what was deleted before."""

from collections.abc import AsyncIterator

import pytest

from messaging.database import Connection
from messaging.lanes import lane_store
from messaging.lanes.lane import Lane
from messaging.outbox import store
from messaging.outbox.store import EncodedRecord, OldestBatches, OutboxBatch
from tests.messaging.lane_tables import create_lane_tables
from tests.messaging.open_snapshot import hold_snapshot

RECORD = EncodedRecord("events", 1, b"key", b"value", [])


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a database with two lanes."""
    async with create_lane_tables(database_url, 2) as connection:
        yield connection


@pytest.fixture
async def lane(connection: Connection) -> Lane:
    """Return lane 0, which the test owns."""
    [lane] = await lane_store.claim_lanes(connection, [0], "owner")
    return lane


async def write_batch(connection: Connection, lane: Lane) -> int:
    number = lane.next_batch_number()
    await lane_store.write_updates(connection, [lane.snapshot_update()])
    await store.update_outbox(connection, [OutboxBatch(0, number, [RECORD], 100)], [])
    return number


async def delete_batches(connection: Connection, upto: int) -> None:
    await store.update_outbox(connection, [], [(0, 0, upto)])


async def test_a_lanes_oldest_batch_is_the_first_that_is_not_deleted(
    connection: Connection, lane: Lane
) -> None:
    oldest = OldestBatches()
    assert await oldest.find(connection) == {}
    for _ in range(3):
        await write_batch(connection, lane)
    assert await oldest.find(connection) == {0: 1}
    await delete_batches(connection, 2)
    assert await oldest.find(connection) == {0: 3}
    await delete_batches(connection, 3)
    assert await oldest.find(connection) == {}
    assert await write_batch(connection, lane) == 4
    assert await oldest.find(connection) == {0: 4}


async def test_a_restored_older_database_is_searched_from_its_first_batch(
    connection: Connection, lane: Lane
) -> None:
    oldest = OldestBatches()
    for _ in range(5):
        await write_batch(connection, lane)
    await delete_batches(connection, 5)
    assert await oldest.find(connection) == {}
    await connection.execute("UPDATE lanes SET last_batch_number = 2 WHERE lane = 0")
    await store.update_outbox(connection, [OutboxBatch(0, 2, [RECORD], 100)], [])
    assert await oldest.find(connection) == {0: 2}


async def test_deleted_batches_that_a_snapshot_keeps_are_not_read_again(
    connection: Connection, lane: Lane, database_url: str
) -> None:
    oldest = OldestBatches()
    read_entries = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'outbox_pkey'"
    async with hold_snapshot(database_url):
        for _ in range(100):
            await write_batch(connection, lane)
        await delete_batches(connection, 99)
        assert await oldest.find(connection) == {0: 100}
        await connection.execute("SELECT pg_stat_force_next_flush()")
        before = await connection.fetchval(read_entries)
        assert await oldest.find(connection) == {0: 100}
        await connection.execute("SELECT pg_stat_force_next_flush()")
        assert await connection.fetchval(read_entries) - before == 1
