"""Rooms with more pending invitations than any setting allows: an older version accepted them."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from cohost import audit
from cohost_schemas import topics
from cohost_schemas.events import CoHostLeft, InvitationCancelled, StageChanged
from cohost_schemas.facts import RoomChanged
from cohost_schemas.partitions import partition_of
from services.invitations.domain.closures import MAX_CLOSED_AT_ONCE
from services.invitations.domain.state import Policy
from services.invitations.settings import InvitationsSettings
from stack import Stack
from tests.invitations.in_memory_processor import InMemoryProcessor
from tests.invitations.service_in_process import (
    PARTITIONS,
    accepting_settings,
    next_event,
    open_client,
    run_in_process,
)

ROOM = "room-1"
PENDING = 12_500


@pytest.fixture
def service_settings(stack: Stack, database_url: str, prefix: str) -> InvitationsSettings:
    return accepting_settings(stack, database_url, prefix)


async def add_pending(url: str, count: int) -> None:
    """Add pending invitations of other users to the room, beside the one that it has."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "invitations"})
    for statement in (
        """
        INSERT INTO invitations (
            invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, updated_at, lane,
            incarnation, position
        )
        SELECT
            'i' || number, room_id, 'u' || number, invited_by, status, sent_at, expires_at, updated_at, lane,
            incarnation, 1000000 + number
        FROM invitations, generate_series(1, $1::int) AS number
        """,
        """
        INSERT INTO pending (room_id, user_id, lane, invitation_id, expires_at)
        SELECT room_id, user_id, lane, invitation_id, expires_at FROM invitations
        ORDER BY position OFFSET 1 LIMIT $1
        """,
    ):
        await connection.execute(statement, count)
    await connection.close()


async def fetch_value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url, server_settings={"search_path": "invitations"})
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def fill_room(service_settings: InvitationsSettings) -> None:
    """Open the room, seat carol, and invite the others."""
    async with run_in_process(service_settings), open_client(service_settings) as client:
        async with client.events("invitations", room_id=ROOM) as events:
            await client.set_room(RoomChanged(room_id=ROOM, host_id="alice", status="live"))
            await next_event(events, StageChanged)
        await client.send_invitation(ROOM, "bob", "alice")
        seated = await client.send_invitation(ROOM, "carol", "alice")
        await client.accept_invitation(ROOM, seated.command_id, "carol")
    url = service_settings.database_url.get_secret_value()
    await fetch_value(url, "DELETE FROM invitations WHERE user_id = 'carol'")
    await add_pending(url, PENDING)


async def delete_room(service_settings: InvitationsSettings) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=service_settings.kafka_bootstrap_servers)
    await producer.start()
    try:
        name = topics.ROOMS.full_name(service_settings.topic_prefix)
        lane = partition_of(ROOM, PARTITIONS)
        await producer.send_and_wait(name, None, key=ROOM.encode(), partition=lane)
    finally:
        await producer.stop()


@pytest.mark.parametrize("how", ["ended", "deleted"])
async def test_a_crowded_room_closes_without_losing_the_lanes(
    service_settings: InvitationsSettings, how: str
) -> None:
    url = service_settings.database_url.get_secret_value()
    await fill_room(service_settings)
    async with (
        run_in_process(service_settings),
        open_client(service_settings) as client,
        client.events("invitations", room_id=ROOM) as events,
    ):
        epochs = await fetch_value(url, "SELECT array_agg(epoch ORDER BY lane) FROM lanes")
        if how == "ended":
            await client.set_room(RoomChanged(room_id=ROOM, host_id="alice", status="ended"))
        else:
            await delete_room(service_settings)
        cancelled = []
        async with asyncio.timeout(180):
            async for event in events:
                if isinstance(event.data, InvitationCancelled):
                    cancelled.append(event.data.invitation_id)
                elif isinstance(event.data, CoHostLeft):
                    break
        assert len(cancelled) == len(set(cancelled)) == PENDING + 1
        assert await fetch_value(url, "SELECT count(*) FROM pending") == 0
        assert await fetch_value(url, "SELECT deleted FROM rooms") is (how == "deleted")
        assert await fetch_value(url, "SELECT array_agg(epoch ORDER BY lane) FROM lanes") == epochs
    report = await audit.audit(service_settings.kafka_bootstrap_servers, service_settings.topic_prefix)
    assert report.violations == []


def test_one_decision_closes_a_bounded_number() -> None:
    processor = InMemoryProcessor(Policy(accept_unknown_users=True, max_pending=2 * MAX_CLOSED_AT_ONCE))
    processor.set_room()
    for number in range(MAX_CLOSED_AT_ONCE + 2):
        processor.send_invitation(f"i{number}", user=f"u{number}")
    first = processor.delete_room(9)
    rest = processor.delete_room(9)
    assert isinstance(first, list)
    assert isinstance(rest, list)
    assert (type(first[0]), len(first), len(rest)) == (StageChanged, 1 + MAX_CLOSED_AT_ONCE, 2)
    assert {type(event) for event in (*first[1:], *rest)} == {InvitationCancelled}
    assert processor.delete_room(9) == []
