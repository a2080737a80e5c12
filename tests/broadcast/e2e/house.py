"""A house with a stage: the broadcast service as a process, what a test says to it and hears of it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import IO, Any

import httpx
import jwt
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from livekit import api

from messaging import ids
from schemas import envelope, events, timestamps, topics
from schemas.partitions import partition_of
from schemas.types import Message

SECONDS = 60
PARTITIONS = 3
JWT_SECRET = "a secret of the tests, and of nobody else"
OUTPUTS = (topics.BROADCAST_EVENTS, topics.BROADCAST_REJECTIONS, topics.BADGES, topics.INVITATION_COMMANDS)


@dataclass(frozen=True)
class Place:
    """Where everything is. The LiveKit server's webhooks go to `http_port`; clients take its `public_url`."""

    kafka: str
    database_url: str
    prefix: str
    livekit_url: str
    public_url: str
    livekit_key: str
    livekit_secret: str
    http_port: int


@dataclass(frozen=True)
class Heard:
    """A record that the service wrote."""

    topic: str
    name: str
    key: str
    data: dict[str, Any] | None
    envelope: dict[str, Any]


@dataclass
class House:
    """The service at work. `heard` is everything it wrote, in order per topic.

    `module` is what runs, and `settings` what it is told beside where everything is.
    """

    endpoints: Place
    module: str = "services.broadcast"
    settings: dict[str, str] = field(default_factory=dict)
    published: list[Heard] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None

    def start(self, **more: str) -> None:
        """Start the service, with its settings and more, or other ones."""
        endpoints = self.endpoints
        environment = {
            **os.environ,
            "COHOST_KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka,
            "COHOST_DATABASE_URL": endpoints.database_url,
            "COHOST_TOPIC_PREFIX": endpoints.prefix,
            "COHOST_PARTITIONS": str(PARTITIONS),
            "COHOST_LIVEKIT_URL": endpoints.livekit_url,
            "COHOST_LIVEKIT_PUBLIC_URL": endpoints.public_url,
            "COHOST_LIVEKIT_API_KEY": endpoints.livekit_key,
            "COHOST_LIVEKIT_API_SECRET": endpoints.livekit_secret,
            "COHOST_JWT_SECRET": JWT_SECRET,
            "COHOST_HTTP_PORT": str(endpoints.http_port),
            **self.settings,
            **more,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module], env=environment, stdout=self.log, stderr=self.log
        )

    async def ready(self) -> None:
        """Wait until the service says that it is ready."""
        async with asyncio.timeout(SECONDS), httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(f"http://127.0.0.1:{self.endpoints.http_port}/readyz")
                    if answer.status_code == 200:
                        return
                assert self.alive, "the service ended"
                await asyncio.sleep(0.05)

    @property
    def alive(self) -> bool:
        """Whether the service runs."""
        return self.process is not None and self.process.poll() is None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the service and return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), SECONDS)

    async def say(self, topic: topics.Topic, data: Message, key: str, message_id: str | None = None) -> str:
        """Write a record as whoever owns the topic would, and return its id."""
        message_id = message_id or ids.uuid7()
        value = envelope.encode(
            {
                "specversion": "1.0",
                "id": message_id,
                "source": "/tests",
                "type": envelope.type_of(type(data).__name__),
                "subject": key,
                "data": data,
            }
        )
        await self.producer.send_and_wait(
            topic.name(self.endpoints.prefix),
            value,
            key=key.encode(),
            partition=partition_of(key, PARTITIONS),
        )
        return message_id

    async def publish_stage(self, room_id: str, status: Any = "live", host: str = "alice") -> None:
        """Say as invitations that a room is as it is."""
        open_ = status in ("idle", "live", "waitingReconnect")
        said = events.StageChanged(room_id=room_id, host_id=host, status=status, open=open_, max_co_hosts=5)
        await self.say(topics.INVITATION_EVENTS, said, room_id)

    async def seat_user(self, room_id: str, user_id: str) -> str:
        """Say as invitations that a user has a seat, and return the invitation's id."""
        invitation_id = ids.uuid7()
        now = timestamps.now()
        said = events.InvitationAccepted(
            invitation_id=invitation_id,
            room_id=room_id,
            user_id=user_id,
            invited_by="alice",
            status="accepted",
            sent_at=now,
            expires_at=timestamps.add_seconds(now, 60),
            responded_at=now,
            updated_at=now,
        )
        await self.say(topics.INVITATION_EVENTS, said, room_id)
        return invitation_id

    async def unseat(self, room_id: str, user_id: str, invitation_id: str, reason: Any = "left") -> None:
        """Say as invitations that a seat ended."""
        said = events.CoHostLeft(
            room_id=room_id,
            user_id=user_id,
            invitation_id=invitation_id,
            reason=reason,
            left_at=timestamps.now(),
        )
        await self.say(topics.INVITATION_EVENTS, said, room_id)

    async def get(self, path: str, user_id: str, *, ops: bool = False) -> httpx.Response:
        """Ask the service over HTTP."""
        claims = {"sub": user_id, **({"scope": "cohost:ops"} if ops else {})}
        token = jwt.encode(claims, JWT_SECRET, "HS256")
        async with httpx.AsyncClient() as client:
            return await client.get(
                f"http://127.0.0.1:{self.endpoints.http_port}{path}",
                headers={"authorization": f"Bearer {token}"},
                timeout=SECONDS,
            )

    async def await_(
        self, found: Callable[[Heard], bool], count: int = 1, seconds: float = SECONDS
    ) -> list[Heard]:
        """Wait until so many records were heard, and return all of them."""
        try:
            async with asyncio.timeout(seconds):
                while len(matching := [heard for heard in self.published if found(heard)]) < count:
                    await asyncio.sleep(0.01)
                return matching
        except TimeoutError:
            last = "\n".join(f"{heard.name} {heard.key} {heard.data}" for heard in self.published[-30:])
            msg = f"not heard within {seconds} s; last heard was:\n{last}"
            raise AssertionError(msg) from None

    async def event(self, name: str, room_id: str, user_id: str | None = None, *, count: int = 1) -> Heard:
        """Wait for the event of this name about a room's user."""
        found = await self.await_(
            lambda heard: (
                heard.name == name
                and heard.data is not None
                and heard.data["roomId"] == room_id
                and user_id in (None, heard.data.get("userId"))
            ),
            count,
        )
        return found[-1]

    def events(self, room_id: str, user_id: str | None = None) -> list[str]:
        """Return the names of what was heard on the events' topic about a room, or a user in it."""
        return [
            heard.name
            for heard in self.published
            if heard.topic == topics.BROADCAST_EVENTS.suffix
            and heard.data is not None
            and heard.data["roomId"] == room_id
            and user_id in (None, heard.data.get("userId"))
        ]

    async def listen(self) -> None:
        """Hear everything that the service writes, from the beginning."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.endpoints.kafka,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign(
                [
                    TopicPartition(topic.name(self.endpoints.prefix), partition)
                    for topic in OUTPUTS
                    for partition in range(PARTITIONS)
                ]
            )
            async for record in consumer:
                self.published.append(_heard(record, self.endpoints.prefix))
        finally:
            await consumer.stop()

    producer: AIOKafkaProducer = field(init=False)


@contextlib.asynccontextmanager
async def open_house(
    endpoints: Place, module: str = "services.broadcast", log: IO[bytes] | None = None, **settings: str
) -> AsyncIterator[House]:
    """Start the service and listen to it, until the end."""
    service = House(endpoints, module, settings, log=log)
    service.producer = AIOKafkaProducer(bootstrap_servers=endpoints.kafka, enable_idempotence=True)
    await service.producer.start()
    service.start()
    listening: asyncio.Task[None] | None = None
    try:
        await service.ready()
        listening = asyncio.create_task(service.listen())
        yield service
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await service.producer.stop()
        await service.stop()


def room() -> str:
    """Return the name of a room that no other test uses."""
    return f"room-{uuid.uuid4().hex[:12]}"


def server(endpoints: Place) -> api.LiveKitAPI:
    """Return LiveKit's own client, to look from outside."""
    return api.LiveKitAPI(endpoints.public_url, endpoints.livekit_key, endpoints.livekit_secret)


async def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until a condition, sync or async, gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


def _heard(record: ConsumerRecord, prefix: str) -> Heard:
    topic = record.topic.removeprefix(prefix)
    key = record.key.decode() if record.key is not None else ""
    if record.value is None:
        return Heard(topic, "tombstone", key, None, {})
    decoded = envelope.decode(record.value, record.headers)
    return Heard(topic, envelope.name_of(decoded.type), key, decoded.data, decoded._asdict())
