"""Producer of the traffic: facts and commands as CloudEvents, in the partition of their key."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer

from bench.workload.simulated_room import PlannedCommand
from bench.workload.traffic import Traffic
from cohost.kafka.producer import TraceProvider
from cohost_schemas import envelope, topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message

_CONTENT_TYPE = ("content-type", envelope.CONTENT_TYPE)
_AT_ONCE = 5_000

TopicEvent = tuple[Topic, str, Mapping[str, Any]]
"""A topic, a key, and the CloudEvent to write."""


class EncodedCommand(NamedTuple):
    """A command as it is sent, so that at a high rate nothing has to be built meanwhile."""

    id: str
    topic: str
    key: bytes
    value: bytes


class TrafficProducer:
    """An idempotent producer; each partition keeps the order of sending."""

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

    async def send_facts(self, traffic: Traffic) -> None:
        """Write the users and the rooms, and wait until Kafka confirms them."""
        await self.send_events(fact_event(topics.USERS, each.user_id, each) for each in traffic.user_facts())
        await self.send_events(fact_event(topics.ROOMS, each.room_id, each) for each in traffic.room_facts())

    async def send_commands(
        self, commands: Iterable[PlannedCommand], trace: TraceProvider | None = None
    ) -> None:
        """Write commands, each with the trace that `trace` returns, and wait until Kafka confirms them."""
        await self.send_events(
            command_event(command, **(trace() if trace is not None else {})) for command in commands
        )

    async def send_command(self, command: PlannedCommand) -> asyncio.Future[Any]:
        """Send one command; the returned future is done when Kafka confirms it."""
        return await self.send_event(*command_event(command))

    def encode_command(self, command: PlannedCommand) -> EncodedCommand:
        """Return a command as it is sent."""
        topic, key, event = command_event(command)
        value = envelope.encode_event(dict(event))
        return EncodedCommand(command.id, topic.full_name(self._prefix), key.encode(), value)

    async def send_encoded(self, command: EncodedCommand) -> asyncio.Future[Any]:
        """Send one command; the returned future is done when Kafka confirms it."""
        future: asyncio.Future[Any] = await self._producer.send(
            command.topic, command.value, key=command.key, headers=[_CONTENT_TYPE]
        )
        return future

    async def send_events(self, entries: Iterable[TopicEvent]) -> None:
        """Write events and wait until Kafka confirms them."""
        waiting: list[asyncio.Future[Any]] = []
        for entry in entries:
            waiting.append(await self.send_event(*entry))
            if len(waiting) >= _AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)

    async def send_event(self, topic: Topic, key: str, event: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Send one event; the returned future is done when Kafka confirms it."""
        future: asyncio.Future[Any] = await self._producer.send(
            topic.full_name(self._prefix),
            envelope.encode_event(dict(event)),
            key=key.encode(),
            headers=_headers(event),
        )
        return future


def fact_event(topic: Topic, key: str, data: RoomChanged | UserChanged) -> TopicEvent:
    """Return the topic, key and CloudEvent of a fact."""
    return topic, key, build_event(f"fact-{key}", type(data).__name__, key, data)


def command_event(command: PlannedCommand, **attributes: str) -> TopicEvent:
    """Return the topic, key and CloudEvent of a command; `attributes` are further ones."""
    made = build_event(command.id, command.name, command.room_id, command.data, **attributes)
    return topics.INVITATION_COMMANDS, command.room_id, made


def build_event(
    event_id: str, name: str, subject: str, data: Message | Mapping[str, Any], **attributes: str
) -> Mapping[str, Any]:
    """Return a CloudEvent with this id, type name, subject and data."""
    return envelope.build_cloud_event(
        name, data, event_id=event_id, source="/bench", subject=subject, **attributes
    )


def _headers(event: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    if "sequence" not in event:
        return [_CONTENT_TYPE]
    return [_CONTENT_TYPE, ("sequence", b"%d" % int(event["sequence"]))]
