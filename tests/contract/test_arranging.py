"""Sections 3 to 5: `ArrangeStage`, and the order and labels of co-hosts at both services."""

import asyncio
from typing import Any

import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, new_id, unique_id
from tests.contract.deployment import Deployment
from tests.contract.polling import wait_until
from tests.contract.service_processes import run_services
from tests.contract.web_client import WebClient

ROOMS = 4


async def seat_user(client: ContractClient, room: Room, user: str) -> None:
    """Give a user a seat under the label `the <user>`, cut to its length."""
    data = {"userId": user, "actorId": room.host, "label": label_of(user)}
    sent, _ = await client.send_accepted("SendInvitation", room, **data)
    await client.send_accepted("AcceptInvitation", room, invitationId=sent.id, actorId=user)


def label_of(user: str) -> str:
    return f"the {user}"[:40]


async def arrange(client: ContractClient, room: Room, *users: str) -> list[str]:
    """Arrange the stage and return the order that the event has."""
    data = {"actorId": room.host, "userIds": list(users)}
    put, found = await client.send_accepted("ArrangeStage", room, **data)
    order = found.data["userIds"]
    assert (found.name, found.data) == (
        "StageArranged",
        {"roomId": room.id, "userIds": order, "arrangedBy": room.host, "arrangedAt": put.timestamp},
    )
    return list(order)


async def shown_by_invitations(web: WebClient, room: Room) -> list[tuple[str, int, str]]:
    items = (await web.get_json(f"/v1/rooms/{room}/co-hosts", "anyone"))["items"]
    return [(item["userId"], item["order"], item["label"]) for item in items]


async def wait_for_order(web: WebClient, room: Room, users: list[str]) -> None:
    """Wait until broadcast shows the host and these co-hosts in order; invitations must show it at once."""
    co_hosts = [(user, order, label_of(user)) for order, user in enumerate(users, 1)]
    assert await shown_by_invitations(web, room) == co_hosts

    async def shown() -> bool:
        items = (await web.get_json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True))["items"]
        found = [(item["userId"], item["order"], item["label"]) for item in items]
        return found == [(room.host, 0, None), *co_hosts]

    await wait_until(shown, f"the order {users} on {room}")


@pytest.fixture
async def room(stage_driver: StageDriver, people: People) -> Room:
    """A room with bob, carol and dave on stage."""
    room = await stage_driver.open_room()
    for user in people[:3]:
        await seat_user(stage_driver.client, room, user)
    return room


async def test_seats_are_in_the_order_of_their_beginning(web: WebClient, room: Room, people: People) -> None:
    await wait_for_order(web, room, list(people[:3]))


async def test_the_host_arranges_the_stage(
    client: ContractClient, web: WebClient, room: Room, people: People
) -> None:
    bob, carol, dave, erin = people
    assert await arrange(client, room, dave) == [dave, bob, carol]
    assert await arrange(client, room, carol, dave) == [carol, dave, bob]
    await wait_for_order(web, room, [carol, dave, bob])
    await seat_user(client, room, erin)
    await wait_for_order(web, room, [carol, dave, bob, erin])
    await client.send_accepted("LeaveStage", room, actorId=dave)
    await wait_for_order(web, room, [carol, bob, erin])
    await seat_user(client, room, dave)
    assert await arrange(client, room, erin) == [erin, carol, bob, dave]
    await wait_for_order(web, room, [erin, carol, bob, dave])


async def test_an_order_that_moves_nothing_succeeds(
    client: ContractClient, room: Room, people: People
) -> None:
    bob, carol, dave, _ = people
    for users in ([bob], [bob, carol, dave], [bob]):
        assert await arrange(client, room, *users) == [bob, carol, dave]


async def test_arranging_checks_room_host_and_seats_in_order(
    client: ContractClient, room: Room, people: People
) -> None:
    async def reason(where: Room | str, actor: str, *users: str) -> str:
        return await client.refusal_reason("ArrangeStage", where, actorId=actor, userIds=list(users))

    assert await reason(unique_id("room"), "nobody", "nobody") == "room_not_found"
    assert await reason(room, people.bob, "nobody") == "not_room_host"
    assert await reason(room, "nobody", people.bob) == "not_room_host"
    assert await reason(room, room.host, people.bob, people.erin) == "not_co_host"
    assert await reason(room, room.host, room.host) == "not_co_host"
    await client.change_room(room, status="ended")
    assert await reason(room, people.bob, people.bob) == "not_room_host"
    assert await reason(room, room.host, people.bob) == "not_co_host"


async def test_the_new_host_arranges_the_stage(client: ContractClient, room: Room, people: People) -> None:
    await client.change_room(room, hostId=people.erin)
    data = {"userIds": [people.dave]}
    assert await client.refusal_reason("ArrangeStage", room, actorId=room.host, **data) == "not_room_host"
    _, found = await client.send_accepted("ArrangeStage", room, actorId=people.erin, **data)
    assert found.data["userIds"] == [people.dave, people.bob, people.carol]


async def test_a_repeated_order_has_one_outcome(client: ContractClient, room: Room, people: People) -> None:
    data = {"actorId": room.host, "userIds": [people.dave], "id": new_id()}
    for _ in range(3):
        await client.send_command("ArrangeStage", room, **data)
    await client.wait_until_decided(room)
    assert [found.name for found in await client.wait_for_outcome(data["id"])] == ["StageArranged"]


async def test_an_order_races_with_a_co_host_that_leaves(
    client: ContractClient, web: WebClient, room: Room, people: People
) -> None:
    bob, carol, dave, _ = people
    data = {"actorId": room.host, "userIds": [dave]}
    put, left = await asyncio.gather(
        client.send_command("ArrangeStage", room, **data),
        client.send_command("LeaveStage", room, actorId=dave),
    )
    result = await client.wait_for_result(put)
    assert result == ("StageArranged" if put.offset < left.offset else "not_co_host")
    assert await client.wait_for_result(left) == "CoHostLeft"
    await wait_for_order(web, room, [bob, carol])


@pytest.mark.parametrize(
    "users",
    [
        [],
        ["bob", "bob"],
        ["bob", "carol", "bob"],
        [f"user-{number}" for number in range(101)],
        "bob",
        {"bob": 1},
        ["bo b"],
        [17],
        [None],
        [["bob"]],
    ],
)
async def test_an_invalid_order_is_refused(client: ContractClient, users: Any) -> None:
    data = {"actorId": "alice", "userIds": users}
    assert await client.refusal_reason("ArrangeStage", unique_id("room"), **data) == "invalid_command"


async def test_an_order_may_list_a_hundred_users(client: ContractClient) -> None:
    data = {"actorId": "alice", "userIds": [f"user-{number}" for number in range(100)]}
    assert await client.refusal_reason("ArrangeStage", unique_id("room"), **data) == "room_not_found"


async def test_order_and_labels_survive_a_takeover(
    deployment: Deployment, stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    client = stage_driver.client
    bob, carol, dave, erin = people
    rooms = [await stage_driver.open_room() for _ in range(ROOMS)]
    for room in rooms:
        for user in (bob, carol, dave):
            await seat_user(client, room, user)
        assert await arrange(client, room, dave) == [dave, bob, carol]
    async with run_services(deployment, "invitations", "broadcast") as copies, WebClient(copies) as other:
        for room in rooms:
            await wait_for_order(other, room, [dave, bob, carol])
            assert await arrange(client, room, carol) == [carol, dave, bob]
            await wait_for_order(other, room, [carol, dave, bob])
    for room in rooms:
        await seat_user(client, room, erin)
        await wait_for_order(web, room, [carol, dave, bob, erin])
