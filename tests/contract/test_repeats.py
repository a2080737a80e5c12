"""Section 3: a command has exactly one outcome; a second record with its id has none."""

import asyncio

from tests.contract.conftest import People
from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    ContractClient,
    cloud_event,
    new_id,
    unique_id,
)


async def test_the_same_record_again_has_no_outcome(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, "id": new_id()}
    for _ in range(5):
        await client.send_command("SendInvitation", room, **data)
    await client.wait_until_decided(room)
    assert [found.name for found in await client.wait_for_outcome(data["id"])] == ["InvitationSent"]
    await client.send_command("SendInvitation", room, **data)
    await client.wait_until_decided(room)
    assert len(await client.wait_for_outcome(data["id"])) == 1


async def test_another_command_under_the_same_id_has_no_outcome(
    client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    put, sent = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    await client.send_command("CancelInvitation", room, id=put.id, invitationId=put.id, actorId=room.host)
    await client.send_command("Nonsense", room, id=put.id)
    await client.send_command("SendInvitation", room, id=put.id, userId=17)
    await client.wait_until_decided(room)
    assert await client.wait_for_outcome(put.id) == [sent]


async def test_the_same_id_in_another_room_has_no_outcome(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    put, sent = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    for _ in range(3):
        other = await client.create_room()
        data = {"userId": people.bob, "actorId": other.host}
        await client.send_command("SendInvitation", other, id=put.id, **data)
        await client.wait_until_decided(other)
        assert await client.wait_for_outcome(put.id) == [sent]
        await client.send_accepted("SendInvitation", other, **data)


async def test_a_refused_id_stays_refused(client: ContractClient) -> None:
    room = await client.create_room()
    user = unique_id("user")
    data = {"userId": user, "actorId": room.host, "id": new_id()}
    assert await client.refusal_reason("SendInvitation", room, **data) == "user_not_found"
    await client.publish_user(user)
    await client.send_command("SendInvitation", room, **data)
    await client.wait_until_decided(room)
    assert len(await client.wait_for_outcome(data["id"])) == 1
    del data["id"]
    await client.send_accepted("SendInvitation", room, **data)


async def test_an_id_used_in_several_rooms_at_once_has_one_outcome(
    client: ContractClient, people: People
) -> None:
    rooms = await asyncio.gather(*(client.create_room() for _ in range(6)))
    for _ in range(5):
        event_id = new_id()
        await asyncio.gather(
            *(
                client.send_command("SendInvitation", room, id=event_id, userId=people.bob, actorId=room.host)
                for room in rooms
            )
        )
        await asyncio.gather(*(client.wait_until_decided(room) for room in rooms))
        [sent] = await client.wait_for_outcome(event_id)
        cancel = {"invitationId": event_id, "actorId": sent.data["invitedBy"]}
        await client.send_accepted("CancelInvitation", sent.data["roomId"], **cancel)


async def test_each_commands_topic_has_its_own_memory(client: ContractClient) -> None:
    room = unique_id("room")
    event_id = new_id()
    sent_event = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"}, event_id)
    await client.publish_event(INVITATION_COMMANDS, sent_event)
    assert (await client.wait_for_rejection(event_id))["reason"] == "room_not_found"
    await client.publish_event(BROADCAST_COMMANDS, sent_event)
    found = await client.wait_for_outcome(event_id, 2)
    assert sorted(record.topic for record in found) == ["broadcast.rejections", "invitations.rejections"]


async def test_a_repeated_fact_is_processed_again(client: ContractClient) -> None:
    room = unique_id("room")
    sent_event = cloud_event("RoomChanged", room, {"roomId": room, "hostId": "alice", "status": "idle"})
    await client.publish_event("rooms", sent_event)
    live = {**sent_event, "data": {**sent_event["data"], "status": "live"}}
    await client.publish_event("rooms", live)
    found = await client.wait_for_outcome(sent_event["id"], 2)
    assert [record.data["status"] for record in found] == ["idle", "live"]


async def test_order_is_kept_within_a_room(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    puts = []
    for number in range(100):
        if number % 2 == 0:
            data = {"userId": people.bob, "actorId": room.host}
            puts.append(await client.send_command("SendInvitation", room, **data))
        else:
            data = {"invitationId": puts[-1].id, "actorId": people.bob}
            puts.append(await client.send_command("DeclineInvitation", room, **data))
    await client.wait_for_outcome(puts[-1].id)
    events = client.log.records_of("invitations.events", room.id)[1:]
    assert [record.event["causationid"] for record in events] == [put.id for put in puts]
    assert {record.name for record in events} == {"InvitationSent", "InvitationDeclined"}
