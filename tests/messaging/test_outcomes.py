"""Outcomes in Postgres: stored as given, one per id."""

import datetime as dt
from typing import cast

import asyncpg
import pytest

from messaging import database, outcomes
from messaging.config import Config
from messaging.database import Connection
from messaging.processor import DuplicateCommands

FIELDS = ("room_id", "invitation_id", "actor_id")
TIME = "2026-01-02T03:04:05.678Z"
TEXT = "a tab \t, a line\nbreak, a \\N, and ä"


@pytest.fixture
async def connection(database_url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "counter"})
    await database.migrate_schema(connection, Config("", database_url, "counter"), "messaging")
    return connection


def outcome_row(command_id: str, message: str | None = None) -> outcomes.OutcomeRow:
    return command_id, "type", TIME, "room-1", None, "bob", None, "room_not_found", message


async def test_outcomes_are_stored_as_given(connection: asyncpg.Connection) -> None:
    await outcomes.insert_outcomes(connection, FIELDS, [outcome_row("b", TEXT), outcome_row(TEXT)])
    found = await connection.fetchrow("SELECT * FROM outcomes WHERE id = 'b'")
    assert found is not None
    decided_at = dt.datetime.fromisoformat(TIME)
    expected = ("b", "type", decided_at, "room-1", None, "bob", None, "room_not_found", TEXT)
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
