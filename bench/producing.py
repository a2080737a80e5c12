"""Writing the traffic: facts and commands as CloudEvents, in the partitions where they belong."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from bench.room import Command
from bench.traffic import Traffic
from schemas import envelope, topics
from schemas.facts import RoomChanged, UserChanged
from schemas.partitions import partition_of
from schemas.topics import DEFAULT_PARTITIONS, Topic
from schemas.types import Message

_HEADERS = [("content-type", envelope.CONTENT_TYPE)]
_AT_ONCE = 5_000


class Producer:
    """An idempotent producer. What it sends in order lies in order in each partition."""

    def __init__(self, bootstrap_servers: str, prefix: str, linger_ms: int = 0) -> None:
        self._prefix = prefix
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            enable_idempotence=True,
            max_batch_size=256 * 1024,
            linger_ms=linger_ms,
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def facts(self, traffic: Traffic) -> None:
        """Write the users and the rooms, and wait until they are confirmed."""
        await self._all(_fact(topics.USERS, fact.user_id, fact) for fact in traffic.people())
        await self._all(_fact(topics.ROOMS, fact.room_id, fact) for fact in traffic.stages())

    async def commands(self, commands: Iterable[Command]) -> None:
        """Write commands and wait until they are confirmed."""
        await self._all(map(cloud_event, commands))

    async def command(self, command: Command) -> asyncio.Future[Any]:
        """Hand one command over; the future is done when it is confirmed."""
        return await self._send(*cloud_event(command))

    async def _all(self, entries: Iterable[tuple[Topic, str, Mapping[str, Any]]]) -> None:
        waiting: list[asyncio.Future[Any]] = []
        for entry in entries:
            waiting.append(await self._send(*entry))
            if len(waiting) >= _AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)

    async def _send(self, topic: Topic, key: str, event: Mapping[str, Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = await self._producer.send(
            topic.name(self._prefix),
            envelope.encode(dict(event)),
            key=key.encode(),
            partition=partition_of(key, DEFAULT_PARTITIONS),
            headers=_HEADERS,
        )
        return future


def _fact(topic: Topic, key: str, fact: RoomChanged | UserChanged) -> tuple[Topic, str, Mapping[str, Any]]:
    return topic, key, _event(f"fact-{key}", type(fact).__name__, key, fact)


def cloud_event(command: Command) -> tuple[Topic, str, Mapping[str, Any]]:
    """Return a command's topic, key and CloudEvent."""
    """Return a command's topic, key and CloudEvent."""
    event = _event(command.id, command.name, command.room_id, command.data)
    return topics.INVITATION_COMMANDS, command.room_id, event


def _event(id_: str, name: str, subject: str, data: Message | Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/bench",
        "type": envelope.type_of(name),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
