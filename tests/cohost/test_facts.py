import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

import cohost
from cohost_schemas import ids, topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from messaging.config import Config
from tests.cohost.fake_services import PARTITIONS, WAIT_SECONDS, FakeServices
from tests.messaging.pipeline_in_process import create_topic

ROOM = RoomChanged(room_id="room", host_id="alice", status="live", max_co_hosts=2)


async def read_written(kafka: str, service: FakeServices, topic: Topic, key: str, count: int) -> list[object]:
    """Return the data (None for tombstones) of the first `count` records of a key's partition."""
    place = TopicPartition(topic.full_name(service.prefix), partition_of(key, PARTITIONS))
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        records = [await asyncio.wait_for(consumer.getone(), WAIT_SECONDS) for _ in range(count)]
    finally:
        await consumer.stop()
    assert {record.key for record in records} == {key.encode()}
    return [None if record.value is None else json.loads(record.value)["data"] for record in records]


@pytest.fixture
async def small_rooms(kafka: str, prefix: str) -> None:
    """Create the rooms topic with a limit of 10 000 bytes: changing it later takes effect late."""
    await create_topic(Config(kafka, "", "", prefix=prefix), topics.ROOMS, "max.message.bytes", "10000")


async def test_a_room_is_a_fact_and_then_a_tombstone(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    fact_id = await client.set_room(ROOM)
    tombstone_id = await client.room_gone("room")
    assert ids.made_at(fact_id) is not None
    assert tombstone_id == f"{service.prefix}rooms:{partition_of('room', PARTITIONS)}:1"
    fact = {"roomId": "room", "hostId": "alice", "status": "live", "maxCoHosts": 2, "title": None}
    assert await read_written(kafka, service, topics.ROOMS, "room", 2) == [fact, None]


async def test_a_user_is_a_fact_and_then_a_tombstone(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    await client.set_user(UserChanged(user_id="bob", status="active", blocked_user_ids=("eve",)))
    await client.user_gone("bob")
    fact = {
        "userId": "bob",
        "status": "active",
        "canReceiveInvitations": True,
        "blockedUserIds": ["eve"],
        "displayName": None,
    }
    assert await read_written(kafka, service, topics.USERS, "bob", 2) == [fact, None]


@pytest.mark.usefixtures("small_rooms")
async def test_the_client_goes_on_after_a_refused_batch(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await client.set_room(ROOM.model_copy(update={"title": "x" * 20_000}))
    await client.set_room(ROOM)
    assert len(await read_written(kafka, service, topics.ROOMS, "room", 1)) == 1


@pytest.mark.usefixtures("small_rooms")
async def test_records_sent_beside_a_refused_batch_are_written(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    large = ROOM.model_copy(update={"title": "x" * 20_000})
    results = await asyncio.gather(
        *(client.set_room(large if number == 2 else ROOM) for number in range(5)), return_exceptions=True
    )
    refused = [type(result) for result in results if not isinstance(result, str)]
    assert refused == [MessageSizeTooLargeError]
    assert len(await read_written(kafka, service, topics.ROOMS, "room", 4)) == 4


async def test_a_tombstone_carries_its_trace_in_headers(kafka: str, service: FakeServices) -> None:
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "a=1"}
    async with cohost.Client(kafka, prefix=service.prefix, trace=lambda: trace) as client:
        await client.room_gone("room")
    place = TopicPartition(topics.ROOMS.full_name(service.prefix), partition_of("room", PARTITIONS))
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        record = await asyncio.wait_for(consumer.getone(), WAIT_SECONDS)
    finally:
        await consumer.stop()
    assert {name: value.decode() for name, value in record.headers} == trace
