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

from tests.stranger.log import Log, Record, moment
from tests.stranger.murmur2 import partition_of
from tests.stranger.place import Place

INVITATIONS = "invitations.commands"
BROADCAST = "broadcast.commands"
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
OPEN = ("idle", "live", "waitingReconnect")

Headers = Sequence[tuple[str, bytes | None]]
Found = TypeVar("Found")


def new_id() -> str:
    """Return a UUIDv7."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def unique(word: str) -> str:
    """Return a unique id with this prefix."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def event(name: str, subject: str | None, data: Any, id: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: A002
    """Return a CloudEvent; attributes given as None are omitted."""
    found = {
        "specversion": "1.0",
        "id": id or new_id(),
        "source": "/tests/contract",
        "type": f"cohost.{name}.v1",
        "subject": subject,
        "data": data,
        **more,
    }
    return {attribute: value for attribute, value in found.items() if value is not None}


@dataclass(frozen=True)
class Put:
    """The position of a written record, the broker's timestamp, and its event's id, if it has one."""

    id: str
    topic: str
    partition: int
    offset: int
    milliseconds: int

    @property
    def at(self) -> str:
        return moment(self.milliseconds)

    def after(self, seconds: int) -> str:
        return moment(self.milliseconds + 1000 * seconds)

    @property
    def position(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True)
class Room:
    """A room of one test; `fact` is the record that created it."""

    id: str
    host: str
    fact: Put

    def __str__(self) -> str:
        return self.id


class Stranger:
    """Writes commands and facts, and reads their outcomes, knowing only the contract and the addresses."""

    def __init__(self, deployment: Place, log: Log, producer: AIOKafkaProducer) -> None:
        self.deployment = deployment
        self.log = log
        self.puts: dict[str, Put] = {}
        self._producer = producer

    def partition_for(self, key: str | bytes) -> int:
        return partition_of(key.encode() if isinstance(key, str) else key, self.deployment.partitions)

    async def put(  # noqa: PLR0913 - a record has no fewer parts
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        id: str = "",  # noqa: A002
    ) -> Put:
        """Write a record as given, by default in its key's partition."""
        raw = key.encode() if isinstance(key, str) else key
        number = partition if partition is not None else self.partition_for(raw or b"")
        name = self.deployment.prefix + topic
        found = await self._producer.send_and_wait(
            name, value, key=raw, partition=number, headers=list(headers)
        )
        put = Put(id, name, found.partition, found.offset, found.timestamp)
        self.puts[put.position] = put
        return put

    async def publish(
        self,
        topic: str,
        said: Mapping[str, Any],
        key: str | bytes | None = None,
        headers: Headers = STRUCTURED,
        partition: int | None = None,
    ) -> Put:
        """Write a CloudEvent under a key, by default its subject."""
        key = key if key is not None else said.get("subject")
        value = json.dumps(said).encode()
        return await self.put(topic, key, value, headers, partition=partition, id=str(said.get("id")))

    async def send(self, name: str, room: Room | str, *, topic: str = INVITATIONS, **data: Any) -> Put:
        """Write a command about a room without waiting; `data` may contain its `id`."""
        identifier = data.pop("id", None)
        said = event(name, str(room), {"roomId": str(room), **data}, identifier)
        return await self.publish(topic, said)

    async def outcome(self, id: str, count: int = 1) -> list[Record]:  # noqa: A002
        """Wait until a command, fact or signal has caused `count` records, and return them."""
        caused = self.log.by_cause
        return await self.log.until(
            lambda: caused[id] if len(caused[id]) >= count else None, f"the outcome of {id}"
        )

    async def accepted(self, name: str, room: Room | str, **data: Any) -> tuple[Put, Record]:
        """Write a command that has one event, and return both."""
        put = await self.send(name, room, **data)
        [found] = await self.outcome(put.id)
        assert found.name != "CommandRejected", found.data
        return put, found

    async def refused(self, name: str, room: Room | str, **data: Any) -> dict[str, Any]:
        """Write a command that is rejected, and return the rejection's data without nulls."""
        put = await self.send(name, room, **data)
        return await self.rejection(put.id)

    async def rejection(self, id: str) -> dict[str, Any]:  # noqa: A002
        [found] = await self.outcome(id)
        assert found.name == "CommandRejected", found.event
        return {field: value for field, value in found.data.items() if value is not None}

    async def reason(self, name: str, room: Room | str, **data: Any) -> str:
        """Write a command that is rejected, and return the reason."""
        return str((await self.refused(name, room, **data))["reason"])

    async def letter(self, put: Put) -> Record:
        """Wait for the dead letter of a record."""
        letters = self.log.letters
        [found] = await self.log.until(lambda: letters[put.position], f"the dead letter of {put.position}")
        return found

    async def fate(self, put: Put) -> str:
        """Wait for a record's result: a dead letter's or rejection's reason, or the event's name."""
        letters, caused = self.log.letters[put.position], self.log.by_cause[put.id]
        [found] = await self.log.until(lambda: letters or caused, f"the result of {put.position}")
        if letters:
            return (found.header["dead-letter-reason"] or b"").decode()
        return str(found.data["reason"]) if found.name == "CommandRejected" else found.name

    async def settled(self, room: Room | str, topic: str = INVITATIONS) -> None:
        """Wait until every command written so far in the room's partition is decided."""
        put = await self.send("Nonsense", room, topic=topic)
        await self.outcome(put.id)

    async def say_room(self, room: str, **data: Any) -> Put:
        """Write a `RoomChanged` without waiting."""
        return await self.publish("rooms", event("RoomChanged", room, {"roomId": room, **data}))

    async def create_room(self, status: str = "live", **data: Any) -> Room:
        """Create a room and wait until invitations has read it."""
        room = unique("room")
        host = data.pop("host", None) or unique("host")
        fact = await self.say_room(room, hostId=host, status=status, **data)
        await self.outcome(fact.id)
        return Room(room, host, fact)

    async def change(self, room: Room, **data: Any) -> tuple[Put, list[Record]]:
        """Write another `RoomChanged` of a room; return it and the records it caused."""
        fact = await self.say_room(room.id, **{"hostId": room.host, "status": "live", **data})
        return fact, await self.outcome(fact.id)

    async def remove_room(self, room: Room) -> Put:
        """Write the room's tombstone."""
        return await self.put("rooms", room.id, None)

    async def say_user(self, user: str, status: str = "active", **data: Any) -> None:
        """Write a `UserChanged` and wait until it has been read."""
        await self.publish("users", event("UserChanged", user, {"userId": user, "status": status, **data}))
        await self.read("users", user)

    async def user(self, status: str = "active", **data: Any) -> str:
        """Create a user with a unique id."""
        user = unique("user")
        await self.say_user(user, status, **data)
        return user

    async def remove_user(self, user: str) -> None:
        """Write the user's tombstone and wait until it has been read."""
        await self.put("users", user, None)
        await self.read("users", user)

    async def read(self, topic: str, key: str) -> None:
        """Wait until every fact written so far in the key's partition has been read.

        An invalid fact is written after them; its dead letter shows that the service has read all of them.
        """
        await self.letter(await self.put(topic, key, b"no fact"))


@asynccontextmanager
async def connected(deployment: Place) -> AsyncIterator[Stranger]:
    """Connect to a deployment during the block."""
    log = Log(deployment)
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap_servers,
        enable_idempotence=True,
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    await log.start()
    try:
        yield Stranger(deployment, log, producer)
    finally:
        await log.stop()
        await producer.stop()
