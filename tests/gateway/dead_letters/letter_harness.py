"""Records that become dead letters, and an operator who reads and redrives them."""

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import httpx
from aiokafka import AIOKafkaProducer, TopicPartition

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import offset_bounds, poll_partitions
from cohost_schemas.partitions import partition_of
from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import PARTITIONS, SECONDS, CommandHarness

OPS = {"scope": "cohost:ops"}
PATH = "/v1/ops/dead-letters"

Headers = Sequence[tuple[str, bytes | None]]


class WrittenRecord(NamedTuple):
    """A record as it was written, and where."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def fact_bytes(room: str, name: str = "RoomChanged", **changes: Any) -> bytes:
    """Return a fact about a room of alice's; `changes` are of its attributes."""
    data = {"roomId": room, "hostId": "alice", "status": "live"}
    return event_bytes(name, room, changes.pop("data", data), **changes)


def event_bytes(name: str, subject: str, data: Any, /, **changes: Any) -> bytes:
    """Return a CloudEvent; `changes` are of its attributes."""
    event = {"specversion": "1.0", "id": "fact-1", "source": "/tests", "type": f"cohost.{name}.v1"}
    return json.dumps({**event, "subject": subject, "data": data, **changes}).encode()


def wrong_partition(key: str) -> int:
    return (partition_of(key, PARTITIONS) + 1) % PARTITIONS


class LetterHarness:
    """A deployment's topics, and its dead letters as ops see them."""

    def __init__(self, deployment: CommandHarness) -> None:
        self.deployment = deployment
        self.prefix = deployment.variables["COHOST_TOPIC_PREFIX"]
        self._kafka = KafkaConnection(deployment.stack.kafka_bootstrap_servers, self.prefix)
        self._producer = AIOKafkaProducer(bootstrap_servers=deployment.stack.kafka_bootstrap_servers)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def write(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        *,
        number: int | None = None,
        headers: Headers = (),
    ) -> WrittenRecord:
        """Write any record to a topic, given without its prefix, by default where its key belongs."""
        raw = key.encode() if isinstance(key, str) else key
        written = await self._producer.send_and_wait(
            self.prefix + topic, value, key=raw, partition=number, headers=list(headers)
        )
        return WrittenRecord(written.topic, written.partition, written.offset, raw, value)

    async def request(self, method: str, path: str = "", body: Any = None, **more: Any) -> httpx.Response:
        """Send a request of the operator olga's, to the routes about dead letters."""
        claims = more.pop("claims", OPS)
        return await self.deployment.caller.send(method, PATH + path, "olga", body, claims=claims, **more)

    async def read(self, path: str) -> dict[str, Any]:
        """Return what a path answers with, asked again where Kafka was slower than a request may be."""

        async def get() -> dict[str, Any] | None:
            answer = await self.request("GET", path)
            assert answer.status_code in (200, 503), answer.text
            body: dict[str, Any] = answer.json()
            return body if answer.is_success else None

        found: dict[str, Any] = await wait_until(get, f"an answer to {path}", SECONDS)
        return found

    async def list_all(self, **query: Any) -> list[dict[str, Any]]:
        """Return all dead letters, page by page."""
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            query |= {"cursor": cursor} if cursor is not None else {}
            page = await self.read(f"?{httpx.QueryParams(query)}")
            items += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                return items

    async def find_letter(self, record: WrittenRecord) -> dict[str, Any]:
        """Return the dead letter of a record, with all its details, once there is one."""

        async def find() -> str | None:
            for item in await self.list_all(limit=200):
                if (item["topic"], item["partition"], item["offset"]) == record[:3]:
                    return str(item["id"])
            return None

        letter_id = await wait_until(find, f"a dead letter of {record}", SECONDS)
        return await self.read(f"/{letter_id}")

    async def redrive(self, letter: dict[str, Any], **body: Any) -> httpx.Response:
        return await self.request("POST", f"/{letter['id']}/redrive", body)

    async def end_offsets(self, *topics: str) -> dict[TopicPartition, int]:
        """Return the end of each partition of these topics."""
        partitions = [
            TopicPartition(self.prefix + topic, number) for topic in topics for number in range(PARTITIONS)
        ]
        async with self._kafka.open_consumer() as consumer:
            _, ends = await offset_bounds(consumer, partitions)
        return ends

    async def read_records(self, topic: str) -> list[Any]:
        """Return all committed records of a topic, partition by partition."""
        found: list[Any] = []
        partitions = [TopicPartition(self.prefix + topic, number) for number in range(PARTITIONS)]
        async with self._kafka.open_consumer() as consumer:
            begins, ends = await offset_bounds(consumer, partitions)
            async for fetched in poll_partitions(consumer, begins, ends):
                found += [record for records in fetched.values() for record in records]
        return found

    async def wait_for_room(self, room: str, status: int = 200) -> dict[str, Any]:
        """Wait until a room is known, or not, and return the answer."""

        async def find() -> httpx.Response | None:
            answer = await self.deployment.caller.send("GET", f"/v1/rooms/{room}", "alice")
            return answer if answer.status_code == status else None

        answer = await wait_until(find, f"room {room}: {status}", SECONDS)
        body: dict[str, Any] = answer.json()
        return body


def decode_value(letter: dict[str, Any]) -> bytes | None:
    """Return the value that a dead letter's details show."""
    return None if letter["base64"] is None else base64.b64decode(letter["base64"], validate=True)
