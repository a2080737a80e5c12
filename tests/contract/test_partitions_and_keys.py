"""Sections 1 to 3: the partition, subject and key of a command."""

import json
from typing import Any

import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    STRUCTURED_HEADERS,
    ContractClient,
    cloud_event,
    new_id,
    unique_id,
)
from tests.contract.topic_log import TopicRecord


async def publish_refused(
    client: ContractClient,
    subject: str | None,
    key: str | bytes | None,
    partition: int,
    name: str = "LeaveStage",
    **data: Any,
) -> TopicRecord:
    """Write a command with the given subject, key and partition, and return its rejection."""
    sent_event = cloud_event(name, subject, {"roomId": subject, "actorId": "bob", **data})
    put = await client.write_record(
        INVITATION_COMMANDS,
        key,
        json.dumps(sent_event).encode(),
        STRUCTURED_HEADERS,
        partition=partition,
        event_id=sent_event["id"],
    )
    [found] = await client.wait_for_outcome(put.id)
    assert found.partition == put.partition
    return found


def other_partition(client: ContractClient, key: str) -> int:
    return (client.partition_for(key) + 1) % client.deployment.partitions


async def test_another_partition_than_the_subjects_is_refused(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, room, other_partition(client, room))
    assert found.data["reason"] == "wrong_partition"
    assert (found.key, found.event["subject"]) == (room.encode(), room)


@pytest.mark.parametrize(
    ("name", "more"), [("Nonsense", {}), ("LeaveStage", {"hots": 1}), ("LeaveStage", {"roomId": "other"})]
)
async def test_the_partition_is_checked_before_type_and_data(
    client: ContractClient, name: str, more: dict[str, Any]
) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, room, other_partition(client, room), name, **more)
    assert found.data["reason"] == "wrong_partition"


async def test_the_type_is_checked_before_the_data(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, room, client.partition_for(room), "Nonsense", roomId="other")
    assert found.data["reason"] == "unknown_command"


@pytest.mark.parametrize(
    "type_",
    [
        "cohost.sendInvitation.v1",
        "cohost.SendInvitation.v2",
        "cohost.SendInvitation",
        "SendInvitation",
        "cohost.MuteCoHost.v1",
        "cohost.InvitationSent.v1",
        "cohost.RoomChanged.v1",
        "x",
        "t" * 256,
        "🎤" * 300,
    ],
)
async def test_a_type_that_is_not_a_command_of_the_topic_is_unknown(
    client: ContractClient, type_: str
) -> None:
    room = unique_id("room")
    sent_event = {**cloud_event("", room, {"roomId": room}), "type": type_}
    put = await client.publish_event(INVITATION_COMMANDS, sent_event)
    refused = await client.wait_for_rejection(put.id)
    del refused["message"]
    assert refused == {
        "commandId": put.id,
        "commandType": type_[:256],
        "reason": "unknown_command",
        "roomId": room,
    }


async def test_commands_of_the_other_service_are_unknown(client: ContractClient) -> None:
    room = unique_id("room")
    reason = await client.refusal_reason("LeaveStage", room, topic=BROADCAST_COMMANDS, actorId="bob")
    assert reason == "unknown_command"


async def test_a_key_that_differs_from_the_subject_is_invalid(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, "another-key", client.partition_for(room))
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (b"another-key", room)


async def test_a_key_that_is_not_utf_8_is_invalid_and_comes_back(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, b"\xff\xfe", client.partition_for(room))
    assert (found.data["reason"], found.key) == ("invalid_command", b"\xff\xfe")


async def test_a_room_that_differs_from_subject_and_key_is_invalid(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, room, client.partition_for(room), roomId="another-room")
    assert (found.data["reason"], found.data["roomId"]) == ("invalid_command", "another-room")


async def test_a_missing_key_is_invalid(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, None, client.partition_for(room))
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (None, room)


async def test_without_a_key_the_subject_decides_on_the_partition(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, None, other_partition(client, room))
    assert found.data["reason"] == "wrong_partition"
    assert (found.key, found.event["subject"]) == (None, room)


@pytest.mark.parametrize("subject", [None, ""])
async def test_a_missing_subject_is_invalid(client: ContractClient, subject: str | None) -> None:
    room = unique_id("room")
    found = await publish_refused(client, subject, room, client.partition_for(room), roomId=room)
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (room.encode(), room)


async def test_without_a_subject_the_key_decides_on_the_partition(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, None, room, other_partition(client, room), roomId=room)
    assert found.data["reason"] == "wrong_partition"
    assert (found.key, found.event["subject"]) == (room.encode(), room)


@pytest.mark.parametrize("partition", [0, 1])
async def test_without_both_the_rejections_subject_is_a_dash(client: ContractClient, partition: int) -> None:
    found = await publish_refused(client, None, None, partition, roomId="room")
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (None, "-")


@pytest.mark.parametrize("room", ["with/slash", "with space", "grün", "🎤", "x" * 65, "x" * 256])
async def test_a_subject_that_is_no_id_is_invalid_and_comes_back(client: ContractClient, room: str) -> None:
    found = await publish_refused(client, room, room, client.partition_for(room))
    assert (found.data["reason"], found.data.get("roomId")) == ("invalid_command", None)
    assert (found.key, found.event["subject"]) == (room.encode(), room)


async def test_a_subject_over_256_characters_counts_as_absent(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, "🎤" * 257, room, client.partition_for(room), roomId=room)
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (room.encode(), room)


async def test_a_key_over_256_characters_counts_as_absent(client: ContractClient) -> None:
    room = unique_id("room")
    found = await publish_refused(client, room, "k" * 257, client.partition_for(room))
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (None, room)


async def test_both_over_256_characters_count_as_absent(client: ContractClient) -> None:
    long = "k" * 257
    found = await publish_refused(client, long, long, client.partition_for(long), roomId="room")
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (None, "-")


@pytest.mark.parametrize("subject", [17, True, ["room"], {"room": "x"}])
async def test_a_subject_that_is_not_text_is_invalid(client: ContractClient, subject: Any) -> None:
    room = unique_id("room")
    found = await publish_refused(client, subject, room, client.partition_for(room), roomId=room)
    assert found.data["reason"] == "invalid_command"


async def test_a_repeat_in_another_partition_has_no_outcome(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    put, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    elsewhere = unique_id("room")
    sent_event = cloud_event("LeaveStage", elsewhere, {"roomId": elsewhere, "actorId": "bob"}, put.id)
    await client.publish_event(INVITATION_COMMANDS, sent_event, partition=other_partition(client, elsewhere))
    await client.publish_event(
        INVITATION_COMMANDS,
        cloud_event("Nonsense", elsewhere, {}, marker := new_id()),
        partition=other_partition(client, elsewhere),
    )
    await client.wait_for_outcome(marker)
    assert len(await client.wait_for_outcome(put.id)) == 1


async def test_a_command_refused_for_its_partition_stays_refused(client: ContractClient) -> None:
    room = unique_id("room")
    sent_event = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"})
    await client.publish_event(INVITATION_COMMANDS, sent_event, partition=other_partition(client, room))
    assert (await client.wait_for_rejection(sent_event["id"]))["reason"] == "wrong_partition"
    await client.publish_event(INVITATION_COMMANDS, sent_event)
    await client.wait_until_decided(room)
    assert (await client.wait_for_rejection(sent_event["id"]))["reason"] == "wrong_partition"


async def test_a_key_that_is_not_text_is_not_a_subject(client: ContractClient) -> None:
    key = b"\xff\xfe" + unique_id("key").encode()
    found = await publish_refused(client, None, key, client.partition_for(key), roomId="room")
    assert found.data["reason"] == "invalid_command"
    assert (found.key, found.event["subject"]) == (key, "-")
