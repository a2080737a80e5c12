"""Section 5: the lists of invitations and co-hosts."""

from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.web_client import WebClient

STATUSES = ["pending", "accepted", "rejected", "cancelled"]
ANSWERS = {
    "accepted": "AcceptInvitation",
    "rejected": "DeclineInvitation",
    "cancelled": "CancelInvitation",
}


class RoomWithEveryStatus(NamedTuple):
    """A room with an invitation in each status, newest first."""

    room: Room
    invitations: list[dict[str, Any]]


async def create_invitation(client: ContractClient, room: Room, user: str, status: str) -> dict[str, Any]:
    """Invite a user, bring the invitation into a status, and return it."""
    put, sent = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    if status == "pending":
        return sent.data
    actor = room.host if status == "cancelled" else user
    _, done = await client.send_accepted(ANSWERS[status], room, invitationId=put.id, actorId=actor)
    return done.data


@pytest.fixture
async def history(client: ContractClient, people: People) -> RoomWithEveryStatus:
    room = await client.create_room()
    cast = zip(people, STATUSES, strict=True)
    found = [await create_invitation(client, room, user, status) for user, status in cast]
    return RoomWithEveryStatus(room, found[::-1])


def page_of(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": [expected_data.over_http(item) for item in items], "nextCursor": None}


async def test_a_rooms_invitations_are_listed_newest_first(
    web: WebClient, history: RoomWithEveryStatus
) -> None:
    path = f"/v1/rooms/{history.room}/invitations"
    assert await web.get_json(path, history.room.host) == page_of(history.invitations)
    assert await web.get_json(path, history.room.host, status="any") == page_of(history.invitations)


@pytest.mark.parametrize("status", [*STATUSES, "expired"])
async def test_a_rooms_invitations_can_be_filtered_by_status(
    web: WebClient, history: RoomWithEveryStatus, status: str
) -> None:
    path = f"/v1/rooms/{history.room}/invitations"
    expected = [found for found in history.invitations if found["status"] == status]
    assert await web.get_json(path, history.room.host, status=status) == page_of(expected)


async def test_one_invitation_reads_like_its_last_event(web: WebClient, history: RoomWithEveryStatus) -> None:
    for invitation in history.invitations:
        found = await web.get_json(f"/v1/invitations/{invitation['invitationId']}", history.room.host)
        assert found == expected_data.over_http(invitation)


async def test_a_users_list_shows_pending_and_others_on_request(
    web: WebClient, client: ContractClient
) -> None:
    user = await client.create_user()
    rooms = [await client.create_room() for _ in STATUSES]
    found = [
        await create_invitation(client, room, user, status)
        for room, status in zip(rooms, STATUSES, strict=True)
    ]
    path = f"/v1/users/{user}/invitations"
    assert await web.get_json(path, user) == page_of([found[0]])
    assert await web.get_json(path, user, status="any") == page_of(found[::-1])
    for status, expected in zip(STATUSES, found, strict=True):
        assert await web.get_json(path, user, status=status) == page_of([expected])
    accepted = found[1]
    room = rooms[1].id
    assert await web.get_json(path, user, status="any", roomId=room) == page_of([accepted])
    assert await web.get_json(path, user, roomId=room) == page_of([])
    assert await web.get_json(path, user, status="any", roomId=unique_id("room")) == page_of([])


async def test_a_list_comes_in_pages(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user()
    found = [await create_invitation(client, room, user, "cancelled") for _ in range(7)]
    path = f"/v1/rooms/{room}/invitations"
    pages = []
    query: dict[str, Any] = {"limit": 3, "status": "cancelled"}
    while True:
        answer = await web.get_json(path, room.host, **query)
        pages.append(answer["items"])
        if answer["nextCursor"] is None:
            break
        query["cursor"] = answer["nextCursor"]
    newest = page_of(found[::-1])["items"]
    assert pages == [newest[:3], newest[3:6], newest[6:]]


async def test_a_full_last_page_has_nothing_after_it(web: WebClient, client: ContractClient) -> None:
    user = await client.create_user()
    for _ in range(4):
        await create_invitation(client, await client.create_room(), user, "pending")
    path = f"/v1/users/{user}/invitations"
    first = await web.get_json(path, user, limit=2)
    second = await web.get_json(path, user, limit=2, cursor=first["nextCursor"])
    assert (len(first["items"]), len(second["items"]), second["nextCursor"]) == (2, 2, None)


async def test_new_invitations_do_not_shift_the_pages(web: WebClient, client: ContractClient) -> None:
    user = await client.create_user()
    found = [await create_invitation(client, await client.create_room(), user, "pending") for _ in range(4)]
    path = f"/v1/users/{user}/invitations"
    first = await web.get_json(path, user, limit=2)
    await create_invitation(client, await client.create_room(), user, "pending")
    second = await web.get_json(path, user, limit=2, cursor=first["nextCursor"])
    assert first["items"] + second["items"] == page_of(found[::-1])["items"]


async def test_a_page_has_50_items_by_default_and_200_at_most(web: WebClient, client: ContractClient) -> None:
    room, user = await client.create_room(), await client.create_user()
    puts = []
    for _ in range(51):
        puts.append(await client.send_command("SendInvitation", room, userId=user, actorId=room.host))
        cancel = {"invitationId": puts[-1].id, "actorId": room.host}
        last = await client.send_command("CancelInvitation", room, **cancel)
    await client.wait_for_outcome(last.id)
    path = f"/v1/rooms/{room}/invitations"
    answer = await web.get_json(path, room.host)
    assert len(answer["items"]) == 50
    rest = await web.get_json(path, room.host, cursor=answer["nextCursor"])
    assert [item["invitationId"] for item in rest["items"]] == [puts[0].id]
    assert len((await web.get_json(path, room.host, limit=200))["items"]) == 51
    assert len((await web.get_json(path, room.host, limit=1))["items"]) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("limit", "9" * 40),
        ("status", "open"),
        ("status", "Pending"),
        ("cursor", "not a cursor"),
        ("cursor", "🙂"),
        ("cursor", "AAAA"),
        ("cursor", "\x00"),
        ("cursor", "x" * 5000),
    ],
)
async def test_an_invalid_query_is_refused(
    web: WebClient, client: ContractClient, name: str, value: str
) -> None:
    query: dict[str, Any] = {name: value}
    room = await client.create_room()
    for path, user in (
        (f"/v1/rooms/{room}/invitations", room.host),
        (f"/v1/users/{room.host}/invitations", room.host),
    ):
        assert await web.get_problem(path, user, **query) == (422, "invalid_request")


@pytest.mark.parametrize("odd", ["no%20id", "%F0%9F%99%82", "x" * 65, "a%00b", "a%0a"])
async def test_an_invalid_id_in_a_path_is_refused_or_not_found(web: WebClient, odd: str) -> None:
    for path in (f"/v1/rooms/{odd}/co-hosts", f"/v1/invitations/{odd}", f"/v1/rooms/{odd}/invitations"):
        status, _ = await web.get_problem(path, ops=True)
        assert status in {404, 422}


async def test_the_co_hosts_are_the_seated_users(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    found = [await create_invitation(client, room, await client.create_user(), status) for status in STATUSES]
    accepted = found[1]
    path = f"/v1/rooms/{room}/co-hosts"
    seat = {
        "userId": accepted["userId"],
        "invitationId": accepted["invitationId"],
        "since": accepted["respondedAt"],
        "label": None,
        "order": 1,
    }
    assert (await web.get_json(path, "anyone"))["items"] == [seat]
    await client.send_accepted("LeaveStage", room, actorId=accepted["userId"])
    assert (await web.get_json(path, "anyone"))["items"] == []


async def test_a_former_co_host_keeps_an_accepted_invitation(web: WebClient, client: ContractClient) -> None:
    room, user = await client.create_room(), await client.create_user()
    accepted = await create_invitation(client, room, user, "accepted")
    await client.send_accepted("LeaveStage", room, actorId=user)
    found = await web.get_json(f"/v1/invitations/{accepted['invitationId']}", user)
    assert found == expected_data.over_http(accepted)


async def test_invitations_of_a_closed_room_read_as_cancelled(
    web: WebClient, client: ContractClient, history: RoomWithEveryStatus
) -> None:
    fact = await client.publish_room(history.room.id, hostId=history.room.host, status="ended")
    await client.wait_for_outcome(fact.id, 3)
    pending = history.invitations[-1]
    expected = expected_data.over_http(expected_data.cancelled(pending, fact.timestamp, "room_ended"))
    assert await web.get_json(f"/v1/invitations/{pending['invitationId']}", history.room.host) == expected
    assert (await web.get_json(f"/v1/rooms/{history.room}/co-hosts", "anyone"))["items"] == []


async def test_invitations_of_a_deleted_room_can_still_be_read(
    web: WebClient, client: ContractClient, history: RoomWithEveryStatus
) -> None:
    gone = await client.delete_room(history.room)
    await client.wait_for_outcome(gone.position, 3)
    pending = history.invitations[-1]
    expected = expected_data.over_http(expected_data.cancelled(pending, gone.timestamp, "room_ended"))
    path = f"/v1/invitations/{pending['invitationId']}"
    assert await web.get_json(path, history.room.host) == expected
    assert await web.get_json(path, pending["userId"]) == expected
    assert await web.get_json(path, ops=True) == expected
    mine = f"/v1/users/{pending['userId']}/invitations"
    assert await web.get_json(mine, pending["userId"], status="any", roomId=history.room.id) == page_of(
        [expected]
    )
    assert await web.get_problem(path, "mallory") == (403, "forbidden")


async def test_a_closed_rooms_host_still_sees_its_invitations(
    web: WebClient, client: ContractClient, history: RoomWithEveryStatus
) -> None:
    fact = await client.publish_room(history.room.id, hostId=history.room.host, status="ended")
    await client.wait_for_outcome(fact.id, 3)
    *others, pending = history.invitations
    expected = page_of([*others, expected_data.cancelled(pending, fact.timestamp, "room_ended")])
    assert await web.get_json(f"/v1/rooms/{history.room}/invitations", history.room.host) == expected


@pytest.mark.parametrize("odd", ["Room:1@x.y_z-", "r" * 51])
async def test_ids_may_have_all_their_characters_in_paths(
    web: WebClient, client: ContractClient, odd: str
) -> None:
    room = unique_id(odd)[:64]
    fact = await client.publish_room(room, hostId="alice", status="live")
    await client.wait_for_outcome(fact.id)
    for path in (room, quote(room, safe="")):
        assert (await web.get_json(f"/v1/rooms/{path}/co-hosts", "anyone"))["items"] == []
