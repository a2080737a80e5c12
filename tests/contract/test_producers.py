"""Section 2: commands written by producers with any settings."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.contract.conftest import People
from tests.contract.contract_client import INVITATION_COMMANDS, ContractClient, Room, cloud_event, unique_id


@asynccontextmanager
async def open_producer(client: ContractClient, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=client.deployment.bootstrap_servers, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def write_invitation(
    client: ContractClient, producer: AIOKafkaProducer, room: Room, user: str, **more: Any
) -> tuple[str, Any]:
    """Write a command by its key, without choosing a partition; return its id and its record's metadata."""
    sent_event = cloud_event(
        "SendInvitation", room.id, {"roomId": room.id, "userId": user, "actorId": room.host}
    )
    value, topic = json.dumps(sent_event).encode(), client.deployment.prefix + INVITATION_COMMANDS
    return sent_event["id"], await producer.send_and_wait(topic, value, key=room.id.encode(), **more)


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression_is_read(
    client: ContractClient, people: People, compression: str | None
) -> None:
    room = await client.create_room()
    async with open_producer(client, compression_type=compression) as producer:
        event_id, written = await write_invitation(client, producer, room, people.bob)
    [sent] = await client.wait_for_outcome(event_id)
    assert (sent.name, sent.partition) == ("InvitationSent", written.partition)


@pytest.mark.parametrize("milliseconds", [1, 4_102_444_800_000])
async def test_only_the_brokers_clock_counts(
    client: ContractClient, people: People, milliseconds: int
) -> None:
    room = await client.create_room()
    async with open_producer(client) as producer:
        event_id, _ = await write_invitation(client, producer, room, people.bob, timestamp_ms=milliseconds)
    [sent] = await client.wait_for_outcome(event_id)
    [command] = client.log.by_id[event_id]
    assert sent.data["sentAt"] == command.timestamp
    assert room.fact.timestamp <= command.timestamp <= sent.timestamp


async def test_only_committed_commands_take_effect(client: ContractClient, people: People) -> None:
    rooms = [await client.create_room(), await client.create_room()]
    async with open_producer(client, transactional_id=unique_id("producer")) as producer:
        await producer.begin_transaction()
        aborted, _ = await write_invitation(client, producer, rooms[0], people.bob)
        await producer.abort_transaction()
        async with producer.transaction():
            committed = [(await write_invitation(client, producer, room, people.carol))[0] for room in rooms]
    for event_id in committed:
        assert [record.name for record in await client.wait_for_outcome(event_id)] == ["InvitationSent"]
    await client.wait_until_decided(rooms[0])
    assert client.log.by_cause[aborted] == []
    data = {"userId": people.bob, "actorId": rooms[0].host}
    await client.send_accepted("SendInvitation", rooms[0], id=aborted, **data)
