"""A client of the wire contract, written from docs/contract.md alone."""

import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer

from tests.contract.deployment import Deployment
from tests.contract.murmur2 import partition_of
from tests.contract.topic_log import TopicLog, TopicRecord, format_timestamp

INVITATION_COMMANDS = "invitations.commands"
BROADCAST_COMMANDS = "broadcast.commands"
STRUCTURED_HEADERS = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
OPEN_STATUSES = ("idle", "live", "waitingReconnect")

Headers = Sequence[tuple[str, bytes | None]]
Found = TypeVar("Found")


def new_id() -> str:
    """Return a UUIDv7."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def unique_id(word: str) -> str:
    """Return a unique id with this prefix."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def cloud_event(
    name: str, subject: str | None, data: Any, event_id: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return a CloudEvent; attributes given as None are omitted."""
    found = {
        "specversion": "1.0",
        "id": event_id or new_id(),
        "source": "/tests/contract",
        "type": f"cohost.{name}.v1",
        "subject": subject,
        "data": data,
        **more,
    }
    return {attribute: value for attribute, value in found.items() if value is not None}


@dataclass(frozen=True)
class WrittenRecord:
    """The position of a written record, the broker's timestamp, and its event's id, if it has one."""

    id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def timestamp(self) -> str:
        return format_timestamp(self.timestamp_ms)

    def timestamp_after(self, seconds: int) -> str:
        return format_timestamp(self.timestamp_ms + 1000 * seconds)

    @property
    def position(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True)
class Room:
    """A room of one test; `fact` is the record that created it."""

    id: str
    host: str
    fact: WrittenRecord

    def __str__(self) -> str:
        return self.id


class ContractClient:
    """Writes commands and facts, and reads their outcomes, knowing only the contract and the addresses."""

    def __init__(self, deployment: Deployment, log: TopicLog, producer: AIOKafkaProducer) -> None:
        self.deployment = deployment
        self.log = log
        self.written: dict[str, WrittenRecord] = {}
        self._producer = producer

    def partition_for(self, key: str | bytes) -> int:
        return partition_of(key.encode() if isinstance(key, str) else key, self.deployment.partitions)

    async def write_record(  # noqa: PLR0913 - a record has no fewer parts
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        event_id: str = "",
    ) -> WrittenRecord:
        """Write a record as given, by default in its key's partition."""
        raw = key.encode() if isinstance(key, str) else key
        number = partition if partition is not None else self.partition_for(raw or b"")
        name = self.deployment.prefix + topic
        found = await self._producer.send_and_wait(
            name, value, key=raw, partition=number, headers=list(headers)
        )
        put = WrittenRecord(event_id, name, found.partition, found.offset, found.timestamp)
        self.written[put.position] = put
        return put

    async def publish_event(
        self,
        topic: str,
        event: Mapping[str, Any],
        key: str | bytes | None = None,
        headers: Headers = STRUCTURED_HEADERS,
        partition: int | None = None,
    ) -> WrittenRecord:
        """Write a CloudEvent under a key, by default its subject."""
        key = key if key is not None else event.get("subject")
        value = json.dumps(event).encode()
        return await self.write_record(
            topic, key, value, headers, partition=partition, event_id=str(event.get("id"))
        )

    async def send_command(
        self, name: str, room: Room | str, *, topic: str = INVITATION_COMMANDS, **data: Any
    ) -> WrittenRecord:
        """Write a command about a room without waiting; `data` may contain its `id`."""
        identifier = data.pop("id", None)
        said = cloud_event(name, str(room), {"roomId": str(room), **data}, identifier)
        return await self.publish_event(topic, said)

    async def wait_for_outcome(self, event_id: str, count: int = 1) -> list[TopicRecord]:
        """Wait until a command, fact or signal has caused `count` records, and return them."""
        caused = self.log.by_cause
        return await self.log.wait_until(
            lambda: caused[event_id] if len(caused[event_id]) >= count else None, f"the outcome of {event_id}"
        )

    async def send_accepted(
        self, name: str, room: Room | str, **data: Any
    ) -> tuple[WrittenRecord, TopicRecord]:
        """Write a command that has one event, and return both."""
        put = await self.send_command(name, room, **data)
        [found] = await self.wait_for_outcome(put.id)
        assert found.name != "CommandRejected", found.data
        return put, found

    async def send_refused(self, name: str, room: Room | str, **data: Any) -> dict[str, Any]:
        """Write a command that is rejected, and return the rejection's data without nulls."""
        put = await self.send_command(name, room, **data)
        return await self.wait_for_rejection(put.id)

    async def wait_for_rejection(self, event_id: str) -> dict[str, Any]:
        [found] = await self.wait_for_outcome(event_id)
        assert found.name == "CommandRejected", found.event
        return {field: value for field, value in found.data.items() if value is not None}

    async def refusal_reason(self, name: str, room: Room | str, **data: Any) -> str:
        """Write a command that is rejected, and return the reason."""
        return str((await self.send_refused(name, room, **data))["reason"])

    async def wait_for_dead_letter(self, put: WrittenRecord) -> TopicRecord:
        """Wait for the dead letter of a record."""
        letters = self.log.dead_letters
        [found] = await self.log.wait_until(
            lambda: letters[put.position], f"the dead letter of {put.position}"
        )
        return found

    async def wait_for_result(self, put: WrittenRecord) -> str:
        """Wait for a record's result: a dead letter's or rejection's reason, or the event's name."""
        letters, caused = self.log.dead_letters[put.position], self.log.by_cause[put.id]
        [found] = await self.log.wait_until(lambda: letters or caused, f"the result of {put.position}")
        if letters:
            return (found.headers_by_name["dead-letter-reason"] or b"").decode()
        return str(found.data["reason"]) if found.name == "CommandRejected" else found.name

    async def wait_until_decided(self, room: Room | str, topic: str = INVITATION_COMMANDS) -> None:
        """Wait until every command written so far in the room's partition is decided."""
        put = await self.send_command("Nonsense", room, topic=topic)
        await self.wait_for_outcome(put.id)

    async def publish_room(self, room: str, **data: Any) -> WrittenRecord:
        """Write a `RoomChanged` without waiting."""
        return await self.publish_event("rooms", cloud_event("RoomChanged", room, {"roomId": room, **data}))

    async def create_room(self, status: str = "live", **data: Any) -> Room:
        """Create a room and wait until invitations has read it."""
        room = unique_id("room")
        host = data.pop("host", None) or unique_id("host")
        fact = await self.publish_room(room, hostId=host, status=status, **data)
        await self.wait_for_outcome(fact.id)
        return Room(room, host, fact)

    async def change_room(self, room: Room, **data: Any) -> tuple[WrittenRecord, list[TopicRecord]]:
        """Write another `RoomChanged` of a room; return it and the records it caused."""
        fact = await self.publish_room(room.id, **{"hostId": room.host, "status": "live", **data})
        return fact, await self.wait_for_outcome(fact.id)

    async def delete_room(self, room: Room) -> WrittenRecord:
        """Write the room's tombstone."""
        return await self.write_record("rooms", room.id, None)

    async def publish_user(self, user: str, status: str = "active", **data: Any) -> None:
        """Write a `UserChanged` and wait until it has been read."""
        await self.publish_event(
            "users", cloud_event("UserChanged", user, {"userId": user, "status": status, **data})
        )
        await self.wait_until_read("users", user)

    async def create_user(self, status: str = "active", **data: Any) -> str:
        """Create a user with a unique id."""
        user = unique_id("user")
        await self.publish_user(user, status, **data)
        return user

    async def delete_user(self, user: str) -> None:
        """Write the user's tombstone and wait until it has been read."""
        await self.write_record("users", user, None)
        await self.wait_until_read("users", user)

    async def wait_until_read(self, topic: str, key: str) -> None:
        """Wait until every fact written so far in the key's partition has been read.

        An invalid fact is written after them; its dead letter shows that the service has read all of them.
        """
        await self.wait_for_dead_letter(await self.write_record(topic, key, b"no fact"))


@asynccontextmanager
async def open_contract_client(deployment: Deployment) -> AsyncIterator[ContractClient]:
    """Connect to a deployment during the block."""
    log = TopicLog(deployment)
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap_servers,
        enable_idempotence=True,
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    await log.start()
    try:
        yield ContractClient(deployment, log, producer)
    finally:
        await log.stop()
        await producer.stop()
