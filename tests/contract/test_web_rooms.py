"""Section 5: the list of rooms, one room, and the titles and names in answers."""

from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.expiring_invitations import ExpiringInvitations
from tests.contract.web_client import WebClient


def summary(room: Room, **changes: Any) -> dict[str, Any]:
    return {
        "roomId": room.id,
        "hostId": room.host,
        "title": None,
        "status": "live",
        "open": True,
        "maxCoHosts": 5,
        "pending": 0,
        "seats": 0,
        **changes,
    }


async def list_rooms(web: WebClient, limit: int = 200, **query: Any) -> list[str]:
    """Return the ids on every page of the list."""
    found: list[str] = []
    while True:
        page = await web.get_json("/v1/rooms", ops=True, limit=limit, **query)
        assert len(page["items"]) <= limit
        found += [item["roomId"] for item in page["items"]]
        if page["nextCursor"] is None:
            return found
        query["cursor"] = page["nextCursor"]


async def test_a_room_shows_what_its_fact_said(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room("idle", maxCoHosts=7, title="Friday night 🎤")
    expected = summary(room, status="idle", maxCoHosts=7, title="Friday night 🎤")
    path = f"/v1/rooms/{room}"
    assert await web.get_json(path, room.host) == expected
    assert await web.get_json(path, ops=True) == expected
    assert await web.get_json(path, "anyone") == {**expected, "pending": None}
    await client.change_room(room, status="recorded")
    assert await web.get_json(path, room.host) == summary(room, status="recorded", open=False)


async def test_a_room_counts_pending_invitations_and_seats(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    sent = []
    for user in people:
        data = {"userId": user, "actorId": room.host}
        sent.append((await client.send_accepted("SendInvitation", room, **data))[0])
    accept = {"invitationId": sent[0].id, "actorId": people.bob}
    await client.send_accepted("AcceptInvitation", room, **accept)
    expected = summary(room, pending=3, seats=1)
    assert await web.get_json(f"/v1/rooms/{room}", room.host) == expected
    page = await web.get_json("/v1/rooms", ops=True, hostId=room.host)
    assert page == {"items": [expected], "nextCursor": None}


async def test_overdue_invitations_are_not_counted(web: WebClient, expiring: ExpiringInvitations) -> None:
    for case in await expiring.unanswered_cases():
        await expiring.wait_for_closings(case)
        assert await web.get_json(f"/v1/rooms/{case.room}", case.room.host) == summary(case.room)


async def test_a_room_with_a_tombstone_is_not_found(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    gone = await client.delete_room(room)
    await client.wait_for_outcome(gone.position)
    for name in (room.id, unique_id("room")):
        for user, ops in ((room.host, False), (None, True)):
            problem = await web.get_problem(f"/v1/rooms/{name}", user, ops=ops)
            assert problem == (404, "room_not_found")
    assert await list_rooms(web, status="any", hostId=room.host) == []


async def test_the_list_is_for_ops(web: WebClient) -> None:
    for query in ({}, {"hostId": "alice"}, {"status": "any"}):
        assert await web.get_problem("/v1/rooms", "alice", **query) == (403, "forbidden")


async def test_the_list_is_filtered_by_status_and_host(web: WebClient, client: ContractClient) -> None:
    host = unique_id("host")
    statuses = ["idle", "live", "waitingReconnect", "ended", "recorded", "terminated", "error"]
    rooms = [(await client.create_room(status, host=host)).id for status in statuses][::-1]
    other = (await client.create_room()).id
    closed, opened = rooms[:4], rooms[4:]
    assert await list_rooms(web, hostId=host) == opened
    assert await list_rooms(web, hostId=host, status="open") == opened
    assert await list_rooms(web, hostId=host, status="closed") == closed
    assert await list_rooms(web, hostId=host, status="any") == rooms
    for query, expected in (({}, opened), ({"status": "closed"}, closed), ({"status": "any"}, rooms)):
        found = await list_rooms(web, **query)
        assert [room for room in found if room in rooms] == expected
        assert (other in found) == (query.get("status") != "closed")
    assert await list_rooms(web, hostId=unique_id("host"), status="any") == []


async def test_the_room_whose_fact_was_read_last_comes_first(web: WebClient, client: ContractClient) -> None:
    host = unique_id("host")
    rooms = [await client.create_room(host=host) for _ in range(5)]
    # The same fact again is read again, although it changes nothing and has no outcome.
    await client.publish_room(rooms[1].id, hostId=host, status="live")
    await client.wait_until_read("rooms", rooms[1].id)
    await client.change_room(rooms[3], status="idle")
    expected = [rooms[number].id for number in (3, 1, 4, 2, 0)]
    assert await list_rooms(web, hostId=host) == expected
    assert await list_rooms(web, hostId=host, limit=2) == expected
    everyone = await list_rooms(web, limit=3)
    assert [room for room in everyone if room in expected] == expected
    assert len(everyone) == len(set(everyone))


async def test_a_page_continues_where_the_last_one_ended(web: WebClient, client: ContractClient) -> None:
    host = unique_id("host")
    rooms = [await client.create_room(host=host) for _ in range(4)]
    first = await web.get_json("/v1/rooms", ops=True, hostId=host, limit=2)
    await client.create_room(host=host)
    rest = await list_rooms(web, hostId=host, cursor=first["nextCursor"])
    assert rest == [rooms[1].id, rooms[0].id]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "live"),
        ("status", "Open"),
        ("hostId", "no id"),
        ("limit", "0"),
        ("limit", "201"),
        ("cursor", "not a cursor"),
        ("cursor", "AAAA"),
    ],
)
async def test_an_invalid_query_is_refused(web: WebClient, name: str, value: str) -> None:
    query: dict[str, Any] = {name: value}
    assert await web.get_problem("/v1/rooms", ops=True, **query) == (422, "invalid_request")


async def test_answers_show_titles_and_names_as_they_are_now(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room(title="Monday")
    user = await client.create_user(displayName="Bobby")
    await client.publish_user(room.host, displayName="Alice")
    _, sent = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    one, rooms = f"/v1/invitations/{sent.data['invitationId']}", f"/v1/rooms/{room}/invitations"
    names = {"roomTitle": "Monday", "inviterName": "Alice", "userName": "Bobby"}
    assert await web.get_json(one, user) == expected_data.over_http(sent.data, **names)
    await client.publish_room(room.id, hostId=room.host, status="live", title="Friday night")
    await client.wait_until_read("rooms", room.id)
    await client.publish_user(room.host)
    await client.publish_user(user, displayName="Bob")
    named = expected_data.over_http(sent.data, roomTitle="Friday night", userName="Bob")
    assert await web.get_json(one, user) == named
    for path in (rooms, f"/v1/users/{user}/invitations"):
        assert await web.get_json(path, ops=True) == {"items": [named], "nextCursor": None}


async def test_a_banned_user_keeps_the_name(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user(displayName="Bob")
    sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    await client.publish_user(user, "banned", displayName="Bob")
    found = await web.get_json(f"/v1/invitations/{sent.id}", room.host)
    assert found["userName"] == "Bob"
    await client.delete_user(user)
    found = await web.get_json(f"/v1/invitations/{sent.id}", room.host)
    assert found["userName"] is None
