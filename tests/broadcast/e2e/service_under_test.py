"""The broadcast service as a process: its inputs written by the test, its outputs read back."""

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

from cohost_schemas import envelope, events, ids, timestamps, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.types import Message

WAIT_SECONDS = 180
PARTITIONS = 3
JWT_SECRET = "a secret of the tests, and of nobody else"
OUTPUT_TOPICS = (
    topics.BROADCAST_EVENTS,
    topics.BROADCAST_REJECTIONS,
    topics.BADGES,
    topics.INVITATION_COMMANDS,
)


@dataclass(frozen=True)
class Endpoints:
    """Addresses and secrets. LiveKit sends webhooks to `http_port`; clients connect to `public_url`."""

    kafka: str
    database_url: str
    prefix: str
    livekit_url: str
    public_url: str
    livekit_key: str
    livekit_secret: str
    http_port: int


@dataclass(frozen=True)
class PublishedRecord:
    """A record published by the service; `name` is the event type or `tombstone`."""

    topic: str
    name: str
    key: str
    data: dict[str, Any] | None
    envelope: dict[str, Any]


@dataclass
class ServiceUnderTest:
    """The service as a process; `published` are its records so far, in order per partition.

    `module` is the Python module to run, `settings` are environment variables beside the endpoints.
    """

    endpoints: Endpoints
    module: str = "services.broadcast"
    settings: dict[str, str] = field(default_factory=dict)
    published: list[PublishedRecord] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    log_file: IO[bytes] | None = None

    def start_process(self, **more: str) -> None:
        """Start the process; `more` adds to or overrides its settings."""
        endpoints = self.endpoints
        environment = {
            **os.environ,
            "COHOST_KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka,
            "COHOST_DATABASE_URL": endpoints.database_url,
            "COHOST_TOPIC_PREFIX": endpoints.prefix,
            "COHOST_PARTITIONS": str(PARTITIONS),
            "COHOST_FETCH_MAX_WAIT_MS": "100",
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
            [sys.executable, "-m", self.module], env=environment, stdout=self.log_file, stderr=self.log_file
        )

    async def wait_until_ready(self) -> None:
        """Wait until `/readyz` answers 200."""
        async with asyncio.timeout(WAIT_SECONDS), httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(f"http://127.0.0.1:{self.endpoints.http_port}/readyz")
                    if answer.status_code == 200:
                        return
                assert self.is_running, "the service ended"
                await asyncio.sleep(0.05)

    @property
    def is_running(self) -> bool:
        """Return whether the process is running."""
        return self.process is not None and self.process.poll() is None

    async def stop_process(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal if the process runs, wait for its end, and return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), WAIT_SECONDS)

    async def publish_record(
        self, topic: topics.Topic, data: Message, key: str, message_id: str | None = None
    ) -> str:
        """Write a record in the room's partition, as the topic's producer does, and return its id."""
        message_id = message_id or ids.uuid7()
        name = type(data).__name__
        value = envelope.encode_event(
            envelope.build_cloud_event(name, data, event_id=message_id, source="/tests", subject=key)
        )
        await self.producer.send_and_wait(
            topic.full_name(self.endpoints.prefix),
            value,
            key=key.encode(),
            partition=partition_of(key, PARTITIONS),
        )
        return message_id

    async def publish_stage(self, room_id: str, status: Any = "live", host: str = "alice") -> None:
        """Publish `StageChanged`, as invitations does."""
        open_ = status in ("idle", "live", "waitingReconnect")
        event = events.StageChanged(room_id=room_id, host_id=host, status=status, open=open_, max_co_hosts=5)
        await self.publish_record(topics.INVITATION_EVENTS, event, room_id)

    async def seat_user(self, room_id: str, user_id: str) -> str:
        """Publish `InvitationAccepted`, as invitations does, and return the invitation's id."""
        invitation_id = ids.uuid7()
        now = timestamps.current_timestamp()
        event = events.InvitationAccepted(
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
        await self.publish_record(topics.INVITATION_EVENTS, event, room_id)
        return invitation_id

    async def end_seat(self, room_id: str, user_id: str, invitation_id: str, reason: Any = "left") -> None:
        """Publish `CoHostLeft`, as invitations does."""
        event = events.CoHostLeft(
            room_id=room_id,
            user_id=user_id,
            invitation_id=invitation_id,
            reason=reason,
            left_at=timestamps.current_timestamp(),
        )
        await self.publish_record(topics.INVITATION_EVENTS, event, room_id)

    async def http_get(self, path: str, user_id: str, *, ops: bool = False) -> httpx.Response:
        """Send a GET request with the user's token, with the ops scope on request."""
        return await self._send_request("GET", path, user_id, {"scope": "cohost:ops"} if ops else {})

    async def http_post(self, path: str, user_id: str, body: dict[str, Any]) -> httpx.Response:
        """Post a JSON object with the user's token."""
        return await self._send_request("POST", path, user_id, {}, json=body)

    async def _send_request(
        self, method: str, path: str, user_id: str, scopes: dict[str, str], **content: Any
    ) -> httpx.Response:
        claims = {"sub": user_id, "exp": int(time.time()) + 600, **scopes}
        token = jwt.encode(claims, JWT_SECRET, "HS256")
        async with httpx.AsyncClient() as client:
            return await client.request(
                method,
                f"http://127.0.0.1:{self.endpoints.http_port}{path}",
                headers={"authorization": f"Bearer {token}"},
                timeout=WAIT_SECONDS,
                **content,
            )

    async def wait_for_records(
        self, matches: Callable[[PublishedRecord], bool], count: int = 1, seconds: float = WAIT_SECONDS
    ) -> list[PublishedRecord]:
        """Wait until at least `count` published records match, and return all that do."""
        try:
            async with asyncio.timeout(seconds):
                while len(matching := [record for record in self.published if matches(record)]) < count:
                    if self.following is not None and self.following.done():
                        self.following.result()
                    await asyncio.sleep(0.01)
                return matching
        except TimeoutError:
            last = "\n".join(f"{record.name} {record.key} {record.data}" for record in self.published[-30:])
            msg = f"fewer than {count} matches within {seconds} s; last published:\n{last}"
            raise AssertionError(msg) from None

    async def wait_for_event(
        self, name: str, room_id: str, user_id: str | None = None, *, count: int = 1
    ) -> PublishedRecord:
        """Wait for `count` events of this name about a room, or a user in it, and return the last."""
        found = await self.wait_for_records(
            lambda record: (
                record.name == name
                and record.data is not None
                and record.data["roomId"] == room_id
                and user_id in (None, record.data.get("userId"))
            ),
            count,
        )
        return found[-1]

    def event_names(self, room_id: str, user_id: str | None = None) -> list[str]:
        """Return the names of the events published about a room, or a user in it."""
        return [
            record.name
            for record in self.published
            if record.topic == topics.BROADCAST_EVENTS.suffix
            and record.data is not None
            and record.data["roomId"] == room_id
            and user_id in (None, record.data.get("userId"))
        ]

    async def follow_outputs(self) -> None:
        """Collect every record of the output topics, from the beginning."""
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
                    TopicPartition(topic.full_name(self.endpoints.prefix), partition)
                    for topic in OUTPUT_TOPICS
                    for partition in range(PARTITIONS)
                ]
            )
            async for record in consumer:
                self.published.append(_parse_record(record, self.endpoints.prefix))
        finally:
            await consumer.stop()

    producer: AIOKafkaProducer = field(init=False)
    following: asyncio.Task[None] | None = None
    """Collects the records, until it fails."""


@contextlib.asynccontextmanager
async def run_service_under_test(
    endpoints: Endpoints, module: str = "services.broadcast", log: IO[bytes] | None = None, **settings: str
) -> AsyncIterator[ServiceUnderTest]:
    """Run the service and collect its records during the block."""
    service = ServiceUnderTest(endpoints, module, settings, log_file=log)
    service.producer = AIOKafkaProducer(bootstrap_servers=endpoints.kafka, enable_idempotence=True)
    await service.producer.start()
    service.start_process()
    try:
        await service.wait_until_ready()
        service.following = asyncio.create_task(service.follow_outputs())
        yield service
    finally:
        if service.following is not None:
            service.following.cancel()
            await asyncio.gather(service.following, return_exceptions=True)
        await service.producer.stop()
        await service.stop_process()


def new_room_id() -> str:
    """Return a unique room id."""
    return f"room-{uuid.uuid4().hex[:12]}"


def livekit_api(endpoints: Endpoints) -> api.LiveKitAPI:
    """Return LiveKit's own API client, to inspect the server independently of the service."""
    return api.LiveKitAPI(endpoints.public_url, endpoints.livekit_key, endpoints.livekit_secret)


async def wait_until(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Wait until a condition, sync or async, returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"the condition was not met within {seconds} s"
        await asyncio.sleep(0.02)


def _parse_record(record: ConsumerRecord, prefix: str) -> PublishedRecord:
    topic = record.topic.removeprefix(prefix)
    key = record.key.decode() if record.key is not None else ""
    if record.value is None:
        return PublishedRecord(topic, "tombstone", key, None, {})
    decoded = envelope.decode_event(record.value, record.headers)
    return PublishedRecord(topic, envelope.model_name(decoded.type), key, decoded.data, decoded._asdict())
