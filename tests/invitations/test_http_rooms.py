"""The list of rooms, and one room, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import commands
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.http_harness import LONG_AGO, HttpHarness, open_http_harness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM, time_at


@pytest.fixture
async def harness(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    async with open_http_harness(batch_harness) as harness:
        yield harness


def expected_room(**more: Any) -> dict[str, Any]:
    return {
        "roomId": ROOM,
        "hostId": HOST,
        "title": None,
        "status": "live",
        "open": True,
        "maxCoHosts": 5,
        "pending": 0,
        "seats": 0,
        **more,
    }


async def list_rooms(harness: HttpHarness, question: str = "") -> list[str]:
    return await harness.list_ids(f"/v1/rooms{question}", "somebody", ops=True, name="roomId")


async def test_a_room_counts_its_seats_and_the_invitations_in_time(harness: HttpHarness) -> None:
    await harness.set_room(title="Friday night")
    for name, user in (("i1", GUEST), ("i2", "carol"), ("i3", "dave")):
        await harness.send_invitation(name, user)
    await harness.send_invitation("i4", "erin", at=LONG_AGO)
    await harness.answer_invitation(commands.AcceptInvitation, "i1", GUEST)
    room = expected_room(title="Friday night", pending=2, seats=1)
    assert await harness.get_json(f"/v1/rooms/{ROOM}") == (200, room)
    assert await harness.get_json(f"/v1/rooms/{ROOM}", "somebody", ops=True) == (200, room)
    assert await harness.get_json("/v1/rooms", "somebody", ops=True) == (
        200,
        {"items": [room], "nextCursor": None},
    )


async def test_other_users_see_a_room_without_its_pending_invitations(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    assert await harness.get_json(f"/v1/rooms/{ROOM}", GUEST) == (200, expected_room(pending=None))


async def test_a_closed_room_is_still_a_room(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.set_room("ended")
    closed = expected_room(status="ended", open=False)
    assert await harness.get_json(f"/v1/rooms/{ROOM}") == (200, closed)


async def test_a_room_with_a_tombstone_is_not_found(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.process_record(None)
    for room in (ROOM, "elsewhere"):
        status, problem = await harness.get_json(f"/v1/rooms/{room}", "somebody", ops=True)
        assert (status, problem["reason"]) == (404, "room_not_found")
    assert await list_rooms(harness, "?status=any") == []


async def test_only_ops_may_list_rooms(harness: HttpHarness) -> None:
    await harness.set_room()
    status, problem = await harness.get_json("/v1/rooms")
    assert (status, problem["reason"]) == (403, "forbidden")
    answer = await harness.http.get("/v1/rooms")
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")


async def test_the_list_is_of_open_rooms_by_default(harness: HttpHarness) -> None:
    for number, status in enumerate(("idle", "live", "waitingReconnect", "ended", "error")):
        await harness.set_room(status, room=status, at=time_at(number))
    open_rooms, closed_rooms = ["waitingReconnect", "live", "idle"], ["error", "ended"]
    assert await list_rooms(harness) == open_rooms
    assert await list_rooms(harness, "?status=open") == open_rooms
    assert await list_rooms(harness, "?status=closed") == closed_rooms
    assert await list_rooms(harness, "?status=any") == closed_rooms + open_rooms


async def test_the_list_may_be_of_one_host(harness: HttpHarness) -> None:
    for number, (room, host, status) in enumerate(
        (("r1", HOST, "live"), ("r2", "carol", "live"), ("r3", HOST, "ended"), ("r4", HOST, "idle"))
    ):
        await harness.set_room(status, host, room, at=time_at(number))
    assert await list_rooms(harness, f"?hostId={HOST}") == ["r4", "r1"]
    assert await list_rooms(harness, f"?hostId={HOST}&status=any") == ["r4", "r3", "r1"]
    assert await list_rooms(harness, f"?hostId={HOST}&status=closed&limit=1") == ["r3"]
    assert await list_rooms(harness, "?hostId=nobody") == []


@pytest.mark.parametrize("question", ["", "&status=any", f"&hostId={HOST}"])
async def test_the_room_whose_fact_was_read_last_comes_first(harness: HttpHarness, question: str) -> None:
    rooms = [f"room-{number}" for number in range(7)]
    for room in rooms:
        await harness.set_room(room=room, at=time_at(1))
    await harness.set_room(room="room-2", at=time_at(2))
    await harness.set_room("live", room="room-0", at=time_at(2))
    order = ["room-0", "room-2", "room-6", "room-5", "room-4", "room-3", "room-1"]
    assert await list_rooms(harness, f"?limit=2{question}") == order


async def test_a_page_continues_where_the_last_one_ended(harness: HttpHarness) -> None:
    for number in range(4):
        await harness.set_room(room=f"room-{number}", at=time_at(number))
    _, page = await harness.get_json("/v1/rooms?limit=2", "somebody", ops=True)
    await harness.set_room(room="room-9", at=time_at(9))
    assert await list_rooms(harness, f"?limit=2&cursor={page['nextCursor']}") == ["room-1", "room-0"]


@pytest.mark.parametrize("question", ["status=ended", "status=", "hostId=a%20b", "limit=0", "cursor=forged"])
async def test_an_invalid_query_is_422(harness: HttpHarness, question: str) -> None:
    status, problem = await harness.get_json(f"/v1/rooms?{question}", "somebody", ops=True)
    assert (status, problem["reason"]) == (422, "invalid_request")
