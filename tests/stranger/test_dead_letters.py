"""Section 2: dead letters are the unchanged records, with their position and a reason."""

import json
import re
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from tests.stranger.client import BROADCAST, INVITATIONS, Stranger, event, unique
from tests.stranger.log import Record
from tests.stranger.patience import eventually

WEEK = 7 * 24 * 60 * 60 * 1000


def marks(letter: Record, count: int) -> dict[str, bytes | None]:
    """Return the headers added after the record's own `count` ones."""
    added = dict(letter.headers[count:])
    assert len(added) == len(letter.headers) - count
    return added


async def test_a_dead_letter_is_the_record_with_its_position(client: Stranger) -> None:
    key = unique("key").encode()
    headers = [
        ("content-type", b"text/plain"),
        ("empty", b""),
        ("null", None),
        ("twice", b"1"),
        ("twice", b"2"),
    ]
    put = await client.put(INVITATIONS, key, b"\x00\xffnot json", headers)
    letter = await client.letter(put)
    assert (letter.topic, letter.partition) == ("invitations.dead-letters", put.partition)
    assert (letter.key, letter.value) == (key, b"\x00\xffnot json")
    assert list(letter.headers[:5]) == headers
    added = marks(letter, 5)
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", added.pop("dead-letter-time") or b"")
    assert re.fullmatch(rb"[1-9][0-9]*", added.pop("sequence") or b"")
    assert added == {
        "dead-letter-reason": b"not_a_cloud_event",
        "dead-letter-topic": put.topic.encode(),
        "dead-letter-partition": str(put.partition).encode(),
        "dead-letter-offset": str(put.offset).encode(),
    }


async def test_a_dead_letter_without_a_key_or_without_a_value(client: Stranger) -> None:
    letter = await client.letter(await client.put(BROADCAST, "key", None, partition=1))
    assert (letter.partition, letter.key, letter.value) == (1, b"key", None)
    put = await client.put(BROADCAST, None, b"odd", partition=0)
    letter = await client.letter(put)
    assert (letter.topic, letter.partition) == ("broadcast.dead-letters", 0)
    assert (letter.key, letter.value) == (None, b"odd")


async def test_headers_resembling_the_services_own_are_kept(client: Stranger) -> None:
    headers = [("sequence", b"mine"), ("dead-letter-reason", b"mine"), ("dead-letter-offset", b"mine")]
    put = await client.put(INVITATIONS, "key", b"odd", headers)
    letter = await client.letter(put)
    assert list(letter.headers[:3]) == headers
    assert letter.header["dead-letter-reason"] == b"not_a_cloud_event"


@pytest.mark.parametrize("topic", ["invitations", "broadcast"])
async def test_an_oversized_record_keeps_its_headers_and_length(client: Stranger, topic: str) -> None:
    name = f"{topic}.commands"
    admin = AIOKafkaAdminClient(bootstrap_servers=client.deployment.bootstrap_servers)
    await admin.start()
    try:
        value = b"x" * 3 * 1024 * 1024
        await _allow(admin, client.deployment.prefix + name, str(4 * 1024 * 1024))
        await eventually(lambda: _takes(client, name, value), "the topic to take large records")
        put = await client.put(name, "key", value, [("mine", b"1")])
        letter = await client.letter(put)
    finally:
        await admin.close()
    assert (letter.topic, letter.key, letter.value) == (f"{topic}.dead-letters", b"key", b"")
    assert letter.headers[0] == ("mine", b"1")
    assert letter.header["dead-letter-truncated"] == str(len(value)).encode()
    assert letter.header["dead-letter-reason"] == b"not_a_cloud_event"


async def _allow(admin: AIOKafkaAdminClient, topic: str, size: str) -> None:
    # Settings omitted here fall back to the broker's default.
    kept = {"cleanup.policy": "delete", "retention.ms": str(WEEK), "message.timestamp.type": "LogAppendTime"}
    settings = {**kept, "max.message.bytes": size}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


async def _takes(client: Stranger, topic: str, value: bytes) -> bool:
    """Try with a separate producer: after a refusal the sequence of an idempotent one is broken."""
    deployment = client.deployment
    plain = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers, max_request_size=8 * 1024 * 1024)
    async with plain:
        try:
            await plain.send_and_wait(deployment.prefix + topic, value, partition=client.partition_for("key"))
        except MessageSizeTooLargeError:
            return False
    return True


async def letter_of_fact(
    client: Stranger, said: dict[str, Any], key: str, topic: str = "rooms", **where: Any
) -> str:
    put = await client.publish(topic, said, key, **where)
    letter = await client.letter(put)
    assert (letter.topic, letter.partition) == ("invitations.dead-letters", put.partition)
    assert (letter.key, letter.value) == (key.encode(), json.dumps(said).encode())
    return (letter.header["dead-letter-reason"] or b"").decode()


def room_fact(room: str, **changes: Any) -> dict[str, Any]:
    data = {"roomId": room, "hostId": "alice", "status": "live", **changes}
    return event("RoomChanged", room, {name: value for name, value in data.items() if value is not ...})


def user_fact(user: str, **changes: Any) -> dict[str, Any]:
    data = {"userId": user, "status": "active", **changes}
    return event("UserChanged", user, {name: value for name, value in data.items() if value is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"roomId": ...},
        {"roomId": "another"},
        {"hostId": ...},
        {"hostId": None},
        {"hostId": "no id!"},
        {"hostId": 17},
        {"status": ...},
        {"status": "paused"},
        {"status": "LIVE"},
        {"status": 1},
        {"maxCoHosts": -1},
        {"maxCoHosts": 101},
        {"maxCoHosts": "5"},
        {"maxCoHosts": True},
        {"maxCoHosts": 2.5},
        {"title": 17},
        {"title": "nul\x00"},
    ],
)
async def test_a_room_fact_breaking_its_schema_is_a_dead_letter(
    client: Stranger, changes: dict[str, Any]
) -> None:
    room = unique("room")
    assert await letter_of_fact(client, room_fact(room, **changes), room) == "invalid_fact"
    assert await client.reason("LeaveStage", room, actorId="bob") == "room_not_found"


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
        {"blockedUserIds": {"alice": True}},
        {"displayName": 17},
        {"displayName": "nul\x00"},
    ],
)
async def test_a_user_fact_breaking_its_schema_is_a_dead_letter(
    client: Stranger, changes: dict[str, Any]
) -> None:
    user = unique("user")
    assert await letter_of_fact(client, user_fact(user, **changes), user, "users") == "invalid_fact"


async def test_the_last_good_fact_stays(client: Stranger) -> None:
    room = await client.create_room()
    assert await letter_of_fact(client, room_fact(room.id, status="paused"), room.id) == "invalid_fact"
    assert await client.reason("LeaveStage", room, actorId="bob") == "not_co_host"


@pytest.mark.parametrize("topic", ["rooms", "users"])
async def test_a_fact_of_another_kind_is_a_dead_letter(client: Stranger, topic: str) -> None:
    key = unique("key")
    said = user_fact(key) if topic == "rooms" else room_fact(key)
    assert await letter_of_fact(client, said, key, topic) == "unknown_fact"
    newer = {**room_fact(key), "type": "cohost.RoomChanged.v2"}
    assert await letter_of_fact(client, newer, key, topic) == "unknown_fact"


async def test_a_fact_with_another_key_than_its_subject_is_a_dead_letter(client: Stranger) -> None:
    key, room = unique("key"), unique("room")
    assert await letter_of_fact(client, room_fact(room), key) == "invalid_fact"
    without = {name: value for name, value in room_fact(room).items() if name != "subject"}
    assert await letter_of_fact(client, without, room) == "invalid_fact"


async def test_a_fact_in_another_partition_changes_nothing(client: Stranger) -> None:
    room = unique("room")
    wrong = (client.partition_for(room) + 1) % client.deployment.partitions
    assert await letter_of_fact(client, room_fact(room), room, partition=wrong) == "wrong_partition"
    assert await client.reason("LeaveStage", room, actorId="bob") == "room_not_found"


async def test_the_dead_letter_reasons_have_an_order(client: Stranger) -> None:
    room = unique("room")
    wrong = (client.partition_for(room) + 1) % client.deployment.partitions
    broken = {**user_fact(room), "specversion": "0.3"}
    assert await letter_of_fact(client, broken, room, partition=wrong) == "not_a_cloud_event"
    assert await letter_of_fact(client, user_fact(room), room, partition=wrong) == "wrong_partition"
    unknown = {**room_fact(room, status="paused"), "type": "cohost.RoomPainted.v1"}
    assert await letter_of_fact(client, unknown, room) == "unknown_fact"


async def test_a_tombstone_in_another_partition_changes_nothing(client: Stranger) -> None:
    room = await client.create_room()
    wrong = (client.partition_for(room.id) + 1) % client.deployment.partitions
    put = await client.put("rooms", room.id, None, partition=wrong)
    letter = await client.letter(put)
    assert (letter.header["dead-letter-reason"], letter.value) == (b"wrong_partition", None)
    assert await client.reason("LeaveStage", room, actorId="bob") == "not_co_host"


async def test_a_fact_may_have_unknown_fields(client: Stranger) -> None:
    room = unique("room")
    said = {**room_fact(room, colour="blue", maxCoHosts=None, title=None), "vendor": "x"}
    put = await client.publish("rooms", said)
    [changed] = await client.outcome(put.id)
    assert changed.data == {
        "roomId": room,
        "hostId": "alice",
        "status": "live",
        "open": True,
        "maxCoHosts": 5,
    }


async def test_an_invalid_signal_is_a_dead_letter_of_broadcast(client: Stranger) -> None:
    letter = await client.letter(await client.put("broadcast.signals", "room", b"odd"))
    assert letter.topic == "broadcast.dead-letters"


async def test_a_user_fact_in_another_partition_changes_nothing(client: Stranger) -> None:
    user = await client.user()
    wrong = (client.partition_for(user) + 1) % client.deployment.partitions
    banned = user_fact(user, status="banned")
    assert await letter_of_fact(client, banned, user, "users", partition=wrong) == "wrong_partition"
    room = await client.create_room()
    await client.accepted("SendInvitation", room, userId=user, actorId=room.host)
