"""Section 2: dead letters are the unchanged records, with their position and a reason."""

import json
import re
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    ContractClient,
    cloud_event,
    unique_id,
)
from tests.contract.polling import wait_until
from tests.contract.topic_log import TopicRecord

WEEK = 7 * 24 * 60 * 60 * 1000


def added_headers(letter: TopicRecord, count: int) -> dict[str, bytes | None]:
    """Return the headers added after the record's own `count` ones."""
    added = dict(letter.headers[count:])
    assert len(added) == len(letter.headers) - count
    return added


async def test_a_dead_letter_is_the_record_with_its_position(client: ContractClient) -> None:
    key = unique_id("key").encode()
    headers = [
        ("content-type", b"text/plain"),
        ("empty", b""),
        ("null", None),
        ("twice", b"1"),
        ("twice", b"2"),
    ]
    put = await client.write_record(INVITATION_COMMANDS, key, b"\x00\xffnot json", headers)
    letter = await client.wait_for_dead_letter(put)
    assert (letter.topic, letter.partition) == ("invitations.dead-letters", put.partition)
    assert (letter.key, letter.value) == (key, b"\x00\xffnot json")
    assert list(letter.headers[:5]) == headers
    added = added_headers(letter, 5)
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", added.pop("dead-letter-time") or b"")
    assert re.fullmatch(rb"[1-9][0-9]*", added.pop("sequence") or b"")
    assert added == {
        "dead-letter-reason": b"not_a_cloud_event",
        "dead-letter-topic": put.topic.encode(),
        "x-original-topic": put.topic.encode(),
        "dead-letter-partition": str(put.partition).encode(),
        "dead-letter-offset": str(put.offset).encode(),
    }


async def test_a_dead_letter_without_a_key_or_without_a_value(client: ContractClient) -> None:
    letter = await client.wait_for_dead_letter(
        await client.write_record(BROADCAST_COMMANDS, "key", None, partition=1)
    )
    assert (letter.partition, letter.key, letter.value) == (1, b"key", None)
    put = await client.write_record(BROADCAST_COMMANDS, None, b"odd", partition=0)
    letter = await client.wait_for_dead_letter(put)
    assert (letter.topic, letter.partition) == ("broadcast.dead-letters", 0)
    assert (letter.key, letter.value) == (None, b"odd")


async def test_headers_resembling_the_services_own_are_kept(client: ContractClient) -> None:
    headers = [
        *(("sequence", b"mine"), ("dead-letter-reason", b"mine"), ("dead-letter-offset", b"mine")),
        ("x-original-topic", b"mine"),
    ]
    put = await client.write_record(INVITATION_COMMANDS, "key", b"odd", headers)
    letter = await client.wait_for_dead_letter(put)
    assert list(letter.headers[:4]) == headers
    assert letter.headers_by_name["dead-letter-reason"] == b"not_a_cloud_event"
    assert letter.headers_by_name["x-original-topic"] == put.topic.encode()


@pytest.mark.parametrize("topic", ["invitations", "broadcast"])
async def test_an_oversized_record_keeps_its_headers_and_length(client: ContractClient, topic: str) -> None:
    name = f"{topic}.commands"
    admin = AIOKafkaAdminClient(bootstrap_servers=client.deployment.bootstrap_servers)
    await admin.start()
    try:
        value = b"x" * 3 * 1024 * 1024
        await _allow(admin, client.deployment.prefix + name, str(4 * 1024 * 1024))
        await wait_until(lambda: _accepts_record(client, name, value), "the topic to take large records")
        put = await client.write_record(name, "key", value, [("mine", b"1")])
        letter = await client.wait_for_dead_letter(put)
    finally:
        await admin.close()
    assert (letter.topic, letter.key, letter.value) == (f"{topic}.dead-letters", b"key", b"")
    assert letter.headers[0] == ("mine", b"1")
    assert letter.headers_by_name["dead-letter-truncated"] == str(len(value)).encode()
    assert letter.headers_by_name["dead-letter-reason"] == b"not_a_cloud_event"


async def _allow(admin: AIOKafkaAdminClient, topic: str, size: str) -> None:
    # Settings omitted here fall back to the broker's default.
    kept = {"cleanup.policy": "delete", "retention.ms": str(WEEK), "message.timestamp.type": "LogAppendTime"}
    settings = {**kept, "max.message.bytes": size}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


async def _accepts_record(client: ContractClient, topic: str, value: bytes) -> bool:
    """Try with a separate producer: after a refusal the sequence of an idempotent one is broken."""
    deployment = client.deployment
    plain = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers, max_request_size=8 * 1024 * 1024)
    async with plain:
        try:
            await plain.send_and_wait(deployment.prefix + topic, value, partition=client.partition_for("key"))
        except MessageSizeTooLargeError:
            return False
    return True


async def dead_letter_reason(
    client: ContractClient, said: dict[str, Any], key: str, topic: str = "rooms", **where: Any
) -> str:
    put = await client.publish_event(topic, said, key, **where)
    letter = await client.wait_for_dead_letter(put)
    assert (letter.topic, letter.partition) == ("invitations.dead-letters", put.partition)
    assert (letter.key, letter.value) == (key.encode(), json.dumps(said).encode())
    return (letter.headers_by_name["dead-letter-reason"] or b"").decode()


def room_fact(room: str, **changes: Any) -> dict[str, Any]:
    data = {"roomId": room, "hostId": "alice", "status": "live", **changes}
    return cloud_event("RoomChanged", room, {name: value for name, value in data.items() if value is not ...})


def user_fact(user: str, **changes: Any) -> dict[str, Any]:
    data = {"userId": user, "status": "active", **changes}
    return cloud_event("UserChanged", user, {name: value for name, value in data.items() if value is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"roomId": ...},
        {"roomId": "another"},
        {"hostId": ...},
        {"hostId": None},
        {"hostId": "no id!"},
        {"hostId": 17},
        {"hostId": "."},
        {"hostId": ".."},
        {"status": ...},
        {"status": "paused"},
        {"status": "LIVE"},
        {"status": 1},
        {"maxCoHosts": -1},
        {"maxCoHosts": 101},
        {"maxCoHosts": "5"},
        {"maxCoHosts": True},
        {"maxCoHosts": 2.5},
        {"maxCoHosts": 101.0},
        {"title": 17},
        {"title": "nul\x00"},
    ],
)
async def test_a_room_fact_breaking_its_schema_is_a_dead_letter(
    client: ContractClient, changes: dict[str, Any]
) -> None:
    room = unique_id("room")
    assert await dead_letter_reason(client, room_fact(room, **changes), room) == "invalid_fact"
    assert await client.refusal_reason("LeaveStage", room, actorId="bob") == "room_not_found"


@pytest.mark.parametrize(
    "changes",
    [
        {"userId": ...},
        {"userId": "another"},
        {"status": ...},
        {"status": "gone"},
        {"canReceiveInvitations": "true"},
        {"canReceiveInvitations": 1},
        {"blockedUserIds": "alice"},
        {"blockedUserIds": ["no id!"]},
        {"blockedUserIds": [17]},
        {"blockedUserIds": ["alice", ".."]},
        {"blockedUserIds": {"alice": True}},
        {"blockedUserIds": ["mallory"] * 10_001},
        {"displayName": 17},
        {"displayName": "nul\x00"},
    ],
)
async def test_a_user_fact_breaking_its_schema_is_a_dead_letter(
    client: ContractClient, changes: dict[str, Any]
) -> None:
    user = unique_id("user")
    assert await dead_letter_reason(client, user_fact(user, **changes), user, "users") == "invalid_fact"


@pytest.mark.parametrize("dots", [".", ".."])
async def test_dots_are_no_room_and_no_user_but_a_tombstone_of_them_is_taken(
    client: ContractClient, dots: str
) -> None:
    assert await dead_letter_reason(client, room_fact(dots), dots) == "invalid_fact"
    assert await dead_letter_reason(client, user_fact(dots), dots, "users") == "invalid_fact"
    for topic in ("rooms", "users"):
        gone = await client.write_record(topic, dots, None)
        await client.wait_until_read(topic, dots)
        assert client.log.dead_letters[gone.position] == []


async def test_the_last_good_fact_stays(client: ContractClient) -> None:
    room = await client.create_room()
    assert await dead_letter_reason(client, room_fact(room.id, status="paused"), room.id) == "invalid_fact"
    assert await client.refusal_reason("LeaveStage", room, actorId="bob") == "not_co_host"


@pytest.mark.parametrize("topic", ["rooms", "users"])
async def test_a_fact_of_another_kind_is_a_dead_letter(client: ContractClient, topic: str) -> None:
    key = unique_id("key")
    said = user_fact(key) if topic == "rooms" else room_fact(key)
    assert await dead_letter_reason(client, said, key, topic) == "unknown_fact"
    newer = {**room_fact(key), "type": "cohost.RoomChanged.v2"}
    assert await dead_letter_reason(client, newer, key, topic) == "unknown_fact"


async def test_a_fact_with_another_key_than_its_subject_is_a_dead_letter(client: ContractClient) -> None:
    key, room = unique_id("key"), unique_id("room")
    assert await dead_letter_reason(client, room_fact(room), key) == "invalid_fact"
    without = {name: value for name, value in room_fact(room).items() if name != "subject"}
    assert await dead_letter_reason(client, without, room) == "invalid_fact"


async def test_a_fact_in_another_partition_changes_nothing(client: ContractClient) -> None:
    room = unique_id("room")
    wrong = (client.partition_for(room) + 1) % client.deployment.partitions
    assert await dead_letter_reason(client, room_fact(room), room, partition=wrong) == "wrong_partition"
    assert await client.refusal_reason("LeaveStage", room, actorId="bob") == "room_not_found"


async def test_the_dead_letter_reasons_have_an_order(client: ContractClient) -> None:
    room = unique_id("room")
    wrong = (client.partition_for(room) + 1) % client.deployment.partitions
    broken = {**user_fact(room), "specversion": "0.3"}
    assert await dead_letter_reason(client, broken, room, partition=wrong) == "not_a_cloud_event"
    assert await dead_letter_reason(client, user_fact(room), room, partition=wrong) == "wrong_partition"
    unknown = {**room_fact(room, status="paused"), "type": "cohost.RoomPainted.v1"}
    assert await dead_letter_reason(client, unknown, room) == "unknown_fact"


async def test_a_tombstone_in_another_partition_changes_nothing(client: ContractClient) -> None:
    room = await client.create_room()
    wrong = (client.partition_for(room.id) + 1) % client.deployment.partitions
    put = await client.write_record("rooms", room.id, None, partition=wrong)
    letter = await client.wait_for_dead_letter(put)
    assert (letter.headers_by_name["dead-letter-reason"], letter.value) == (b"wrong_partition", None)
    assert await client.refusal_reason("LeaveStage", room, actorId="bob") == "not_co_host"


async def test_a_fact_may_have_unknown_fields(client: ContractClient) -> None:
    room = unique_id("room")
    said = {**room_fact(room, colour="blue", maxCoHosts=None, title=None), "vendor": "x"}
    put = await client.publish_event("rooms", said)
    [changed] = await client.wait_for_outcome(put.id)
    assert changed.data == {
        "roomId": room,
        "hostId": "alice",
        "status": "live",
        "open": True,
        "maxCoHosts": 5,
    }


async def test_an_invalid_signal_is_a_dead_letter_of_broadcast(client: ContractClient) -> None:
    letter = await client.wait_for_dead_letter(await client.write_record("broadcast.signals", "room", b"odd"))
    assert letter.topic == "broadcast.dead-letters"


async def test_a_user_fact_in_another_partition_changes_nothing(client: ContractClient) -> None:
    user = await client.create_user()
    wrong = (client.partition_for(user) + 1) % client.deployment.partitions
    banned = user_fact(user, status="banned")
    assert await dead_letter_reason(client, banned, user, "users", partition=wrong) == "wrong_partition"
    room = await client.create_room()
    await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
