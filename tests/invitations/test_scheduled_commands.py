"""Scheduled commands are repeated and deleted after exactly their times; now() stands still meanwhile."""

from collections.abc import AsyncIterator

import pytest

from messaging.database import Connection
from services.invitations.effects import scheduled_commands
from services.invitations.effects.scheduled_commands import DueItem, ScheduledCommand
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.in_memory_processor import ROOM

COMMAND = ScheduledCommand(DueItem(0, "ExpireInvitation", ROOM, "i1"), "c1")


@pytest.fixture
async def connection(batch_harness: BatchHarness) -> AsyncIterator[Connection]:
    """A connection in a transaction that has published a command."""
    async with batch_harness.pool.acquire() as connection, connection.transaction():
        await scheduled_commands.add_commands(connection, [COMMAND])
        await scheduled_commands.mark_published(connection, [COMMAND])
        yield connection


async def age_command(connection: Connection, seconds: float) -> None:
    """Date the command `seconds` back."""
    await connection.execute(
        "UPDATE scheduled_commands SET published_at = now() - make_interval(secs => $1)", seconds
    )


@pytest.mark.parametrize(("seconds", "found"), [(30, []), (30.001, [COMMAND])])
async def test_an_unanswered_command_is_repeated_after_thirty_seconds(
    connection: Connection, seconds: float, found: list[ScheduledCommand]
) -> None:
    await age_command(connection, seconds)
    assert await scheduled_commands.commands_to_publish(connection, [0], 10) == found


@pytest.mark.parametrize(("seconds", "left"), [(2, 1), (2.001, 0)])
async def test_a_decided_command_is_deleted_after_two_seconds(
    connection: Connection, seconds: float, left: int
) -> None:
    await connection.execute("INSERT INTO outcomes (id, type, decided_at) VALUES ('c1', '', now())")
    await age_command(connection, seconds)
    await scheduled_commands.delete_decided(connection, [0])
    assert await connection.fetchval("SELECT count(*) FROM scheduled_commands") == left
