"""The hosts that a room has had: what is stored of each change, and the list over HTTP."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from cohost_schemas.facts import RoomChanged
from stack import Stack
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.http_harness import HttpHarness, open_http_harness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM, time_at
from tests.invitations.service_in_process import accepting_settings, open_client, run_in_process


@pytest.fixture
async def harness(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    async with open_http_harness(batch_harness) as harness:
        yield harness


def host_item(host: str, sequence: int, second: float) -> dict[str, Any]:
    return {"hostId": host, "sequence": sequence, "since": time_at(second)}


async def list_hosts(harness: HttpHarness, room: str = ROOM) -> Any:
    status, answer = await harness.get_json(f"/v1/rooms/{room}/hosts", "somebody")
    assert status == 200, answer
    return answer["items"]


async def test_hosts_are_listed_with_the_event_that_made_them_host(harness: HttpHarness) -> None:
    await harness.set_room(at=time_at(1))
    await harness.set_room(host=GUEST, at=time_at(2))
    await harness.set_room(host=HOST, at=time_at(3))
    assert await list_hosts(harness) == [host_item(HOST, 1, 1), host_item(GUEST, 2, 2), host_item(HOST, 3, 3)]


async def test_a_change_that_leaves_the_host_adds_no_host(harness: HttpHarness) -> None:
    await harness.set_room(at=time_at(1))
    await harness.set_room("ended", at=time_at(2))
    await harness.set_room("ended", title="Friday night", at=time_at(3))
    await harness.set_room("live", host=GUEST, at=time_at(4))
    assert await list_hosts(harness) == [host_item(HOST, 1, 1), host_item(GUEST, 3, 4)]


async def test_each_room_has_hosts_of_its_own(harness: HttpHarness) -> None:
    await harness.set_room(at=time_at(1))
    await harness.set_room(host=GUEST, room="room-2", at=time_at(2))
    assert await list_hosts(harness) == [host_item(HOST, 1, 1)]
    assert await list_hosts(harness, "room-2") == [host_item(GUEST, 2, 2)]


async def test_a_room_that_returns_after_its_tombstone_keeps_its_hosts(harness: HttpHarness) -> None:
    await harness.set_room(at=time_at(1))
    await harness.process_record(None, at=time_at(2))
    await harness.set_room(host=GUEST, at=time_at(3))
    await harness.process_record(None, at=time_at(4))
    await harness.set_room(host=GUEST, at=time_at(5))
    assert await list_hosts(harness) == [host_item(HOST, 1, 1), host_item(GUEST, 3, 3)]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_the_hosts_of_an_unknown_or_deleted_room_are_404(
    harness: HttpHarness, *, is_deleted: bool
) -> None:
    if is_deleted:
        await harness.set_room()
        await harness.process_record(None)
    status, problem = await harness.get_json(f"/v1/rooms/{ROOM}/hosts", "somebody", ops=True)
    assert (status, problem["reason"]) == (404, "room_not_found")


async def test_the_list_has_the_last_thousand_hosts(harness: HttpHarness) -> None:
    await harness.set_room()
    async with harness.batch_harness.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO room_hosts SELECT $1, n, $2, 'host-' || n FROM generate_series(2, 1500) AS n",
            ROOM,
            time_at(1),
        )
    hosts = await list_hosts(harness)
    assert [item["hostId"] for item in hosts] == [f"host-{number}" for number in range(501, 1501)]


async def test_a_stored_host_has_the_sequence_and_time_of_its_event(stack: Stack) -> None:
    url = await stack.create_service_database(f"hosts_{secrets.token_hex(6)}")
    settings = accepting_settings(stack, url, f"t{secrets.token_hex(4)}.")
    facts = [("r1", HOST, "live"), ("r2", HOST, "live"), ("r1", GUEST, "idle"), ("r2", HOST, "idle")]
    published = []
    async with run_in_process(settings), open_client(settings) as client:
        for room, host, status in facts:
            async with client.events("invitations", room_id=room) as events:
                await client.set_room(RoomChanged.model_validate(room_fields(room, host, status)))
                envelope = (await anext(events)).envelope
                published.append((room, int(str(envelope.sequence)), envelope.time, host))
    connection = await asyncpg.connect(url)
    stored = await connection.fetch(
        "SELECT room_id, sequence, since, host_id FROM invitations.room_hosts ORDER BY since"
    )
    await connection.close()
    assert [tuple(row) for row in stored] == published[:-1]


def room_fields(room: str, host: str, status: str) -> dict[str, Any]:
    return {"roomId": room, "hostId": host, "status": status}
