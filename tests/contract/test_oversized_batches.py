"""Section 2: a batch that unpacks to more than 64 MiB is a dead letter for each of its offsets."""

import json

from aiokafka import AIOKafkaProducer

from tests.contract.contract_client import (
    INVITATION_COMMANDS,
    ContractClient,
    WrittenRecord,
    cloud_event,
    new_id,
    unique_id,
)

MEBIBYTE = 1024 * 1024
LIMIT = 64 * MEBIBYTE
HEADERS = [
    "dead-letter-offset",
    "dead-letter-partition",
    "dead-letter-reason",
    "dead-letter-time",
    "dead-letter-topic",
    "dead-letter-truncated",
    "sequence",
    "x-original-topic",
]


async def write_batch(client: ContractClient, room: str, sizes: list[int]) -> list[WrittenRecord]:
    """Write valid commands of these sizes as one compressed batch."""
    name, partition = client.deployment.prefix + INVITATION_COMMANDS, client.partition_for(room)
    producer = AIOKafkaProducer(
        bootstrap_servers=client.deployment.bootstrap_servers,
        compression_type="gzip",
        max_batch_size=2 * LIMIT,
        max_request_size=2 * LIMIT,
    )
    batch, ids = producer.create_batch(), [new_id() for _ in sizes]
    for event_id, size in zip(ids, sizes, strict=True):
        command = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"}, event_id)
        value = json.dumps(command).encode().ljust(size)
        headers = [("vendor", b"x")]
        assert batch.append(key=room.encode(), value=value, timestamp=None, headers=headers) is not None
    batch.close()
    async with producer:
        first = await (await producer.send_batch(batch, name, partition=partition))
    puts = [
        WrittenRecord(event_id, name, partition, first.offset + number, first.timestamp)
        for number, event_id in enumerate(ids)
    ]
    client.written.update({put.position: put for put in puts})
    return puts


async def test_each_offset_of_an_oversized_batch_is_a_dead_letter(client: ContractClient) -> None:
    room = unique_id("room")
    puts = await write_batch(client, room, [LIMIT, 0, 0])
    sizes = set()
    for put in puts:
        letter = await client.wait_for_dead_letter(put)
        assert (letter.topic, letter.partition) == ("invitations.dead-letters", put.partition)
        assert (letter.key, letter.value) == (None, b"")
        found = letter.headers_by_name
        assert sorted(name for name, _ in letter.headers) == HEADERS
        assert found["dead-letter-reason"] == b"not_a_cloud_event"
        assert found["dead-letter-topic"] == found["x-original-topic"] == put.topic.encode()
        sizes.add(int(found["dead-letter-truncated"] or b""))
        assert client.log.by_cause[put.id] == []
    # The batch as it lies in the log is small.
    [size] = sizes
    assert 1000 < size < MEBIBYTE
    await client.wait_until_decided(room)
