"""Outcomes in Postgres: stored as given, one per id."""

import datetime as dt
from typing import cast

import asyncpg
import pytest

from messaging import database, outcomes
from messaging.config import Config
from messaging.database import Connection
from messaging.outcomes import OutcomePruner
from messaging.processor import DuplicateCommands

FIELDS = ("room_id", "invitation_id", "actor_id")
TIME = "2026-01-02T03:04:05.678Z"
TEXT = "a tab \t, a line\nbreak, a \\N, and ä"


@pytest.fixture
async def connection(database_url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "counter"})
    await database.migrate_schema(connection, Config("", database_url, "counter"), "messaging")
    return connection


def outcome_row(
    command_id: str, message: str | None = None, detail: str | None = None
) -> outcomes.OutcomeRow:
    return command_id, "type", TIME, "room-1", None, "bob", None, "room_not_found", message, detail


async def test_outcomes_are_stored_as_given(connection: asyncpg.Connection) -> None:
    await outcomes.insert_outcomes(connection, FIELDS, [outcome_row("b", TEXT, "gone"), outcome_row(TEXT)])
    found = await connection.fetchrow("SELECT * FROM outcomes WHERE id = 'b'")
    assert found is not None
    decided_at = dt.datetime.fromisoformat(TIME)
    expected = ("b", "type", decided_at, "room-1", None, "bob", None, "room_not_found", TEXT, "gone")
    assert tuple(found) == expected
    assert await outcomes.find_recorded_ids(connection, [TEXT, "c"]) == {TEXT}


async def test_an_id_with_an_outcome_is_a_duplicate(connection: asyncpg.Connection) -> None:
    await outcomes.insert_outcomes(connection, FIELDS, [outcome_row("b")])
    with pytest.raises(DuplicateCommands):
        await outcomes.insert_outcomes(connection, FIELDS, [outcome_row("a"), outcome_row("b")])
    assert await outcomes.find_recorded_ids(connection, ["a", "b"]) == {"b"}


async def test_outcomes_are_inserted_in_the_order_of_their_ids() -> None:
    # In any other order, two workers that insert the same ids could deadlock.
    inserted: list[str] = []

    class RecordingConnection:
        async def copy_records_to_table(
            self, _: str, *, records: list[tuple[str, ...]], **__: object
        ) -> None:
            inserted.extend(record[0] for record in records)

    rows = [outcome_row(command_id) for command_id in "cab"]
    await outcomes.insert_outcomes(cast("Connection", RecordingConnection()), FIELDS, rows)
    assert inserted == ["a", "b", "c"]


DAY_ROWS = 4000


async def add_day(connection: asyncpg.Connection, day: int) -> None:
    """Add a day's outcomes, `day` days after the first ones, and let their pages be reused as in a vacuum."""
    await connection.execute(
        "INSERT INTO outcomes (id, type, decided_at)"
        " SELECT $1 || ':' || number, 'type', now() - make_interval(days => 20 - $2, secs => -number)"
        " FROM generate_series(1, $3) AS number",
        str(day),
        day,
        DAY_ROWS,
    )
    await connection.execute("VACUUM outcomes")


async def pages_read(connection: asyncpg.Connection, pruner: OutcomePruner, keep_days: int) -> int:
    """Prune what is older than this number of days; return the pages of table and index read for it."""
    before = await pages_fetched(connection)
    while await pruner.prune_step(connection, dt.timedelta(days=keep_days), limit=50):
        pass
    return await pages_fetched(connection) - before


async def pages_fetched(connection: asyncpg.Connection) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return int(
        await connection.fetchval(
            "SELECT heap_blks_hit + heap_blks_read + indexes.idx_blks_hit + indexes.idx_blks_read"
            " FROM pg_statio_user_tables AS tables JOIN pg_statio_user_indexes AS indexes USING (relid)"
            " WHERE indexrelname = 'outcomes_by_age' AND tables.schemaname = 'counter'"
        )
    )


async def test_forgetting_a_day_reads_as_many_pages_after_weeks(database_url: str) -> None:
    config = Config("", database_url, "counter")
    pool = await database.create_pool(config, size=1)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging")
        # It would read pages, too.
        await connection.execute("ALTER TABLE outcomes SET (autovacuum_enabled = off)")
        for day in range(7):
            await add_day(connection, day)
        pruner, read = OutcomePruner(), []
        for day in range(7, 17):
            read.append(await pages_read(connection, pruner, keep_days=20 - (day - 6)))
            await add_day(connection, day)
        assert await connection.fetchval("SELECT count(*) FROM outcomes") < 7.1 * DAY_ROWS
    pool.terminate()
    assert max(read[1:]) < 1.5 * read[0], read


async def test_a_second_cycle_does_not_read_what_the_first_deleted(database_url: str) -> None:
    config = Config("", database_url, "counter")
    pool = await database.create_pool(config, size=1)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging")
        await connection.execute("ALTER TABLE outcomes SET (autovacuum_enabled = off)")
        for day in range(3):
            await add_day(connection, day)
        pruner = OutcomePruner()
        read = [await pages_read(connection, pruner, keep_days=days) for days in (19, 18, 17)]
    pool.terminate()
    assert max(read[1:]) < 1.2 * read[0], read
