"""Every topic of the deployment, read committed from the beginning."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.contract.deployment import Deployment

OUTPUTS = (
    "invitations.events",
    "invitations.rejections",
    "invitations.dead-letters",
    "broadcast.events",
    "broadcast.rejections",
    "broadcast.dead-letters",
    "badges",
)
COMMANDS = ("invitations.commands", "broadcast.commands")
SIGNALS = "broadcast.signals"
TIMEOUT_SECONDS = 120.0

Found = TypeVar("Found")


def format_timestamp(milliseconds: int) -> str:
    """Return a broker timestamp in the contract's format."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


@dataclass(frozen=True)
class TopicRecord:
    """A record; `topic` is its name without the prefix."""

    topic: str
    partition: int
    offset: int
    timestamp: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @cached_property
    def event(self) -> dict[str, Any]:
        found = json.loads(self.value or b"null")
        assert isinstance(found, dict)
        return found

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.event["data"])

    @property
    def name(self) -> str:
        return str(self.event["type"]).removeprefix("cohost.").removesuffix(".v1")

    @property
    def headers_by_name(self) -> dict[str, bytes | None]:
        return dict(self.headers)

    def attribute(self, name: str) -> Any:
        with suppress(ValueError, AssertionError, RecursionError):
            return self.event.get(name)
        return None


class TopicLog:
    """The records read so far, by cause, key and id, and a way to wait for more."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._changed = asyncio.Condition()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=deployment.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=200,
        )
        self._task: asyncio.Task[None] | None = None
        self.records: list[TopicRecord] = []
        self.by_cause: dict[str, list[TopicRecord]] = defaultdict(list)
        self.by_key: dict[tuple[str, bytes | None], list[TopicRecord]] = defaultdict(list)
        self.by_id: dict[str, list[TopicRecord]] = defaultdict(list)
        self.dead_letters: dict[str, list[TopicRecord]] = defaultdict(list)

    async def start(self) -> None:
        await self._consumer.start()
        names = [self._deployment.prefix + name for name in (*OUTPUTS, *COMMANDS, SIGNALS)]
        self._consumer.assign(
            [TopicPartition(name, number) for name in names for number in range(self._deployment.partitions)]
        )
        self._task = asyncio.create_task(self._read_topics())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._consumer.stop()

    async def wait_until(
        self, probe: Callable[[], Found], what: str = "", seconds: float = TIMEOUT_SECONDS
    ) -> Found:
        """Wait until the probe returns a true value, and return it."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while not (answer := probe()):
                    await self._changed.wait()
                    assert self._task is None or not self._task.done(), "the reader of the topics has ended"
                return answer
        except TimeoutError:
            if self._task is not None and self._task.done():
                self._task.result()
            msg = f"timed out after {seconds} s waiting for {what or 'a record'}"
            raise AssertionError(msg) from None

    def records_of(self, topic: str, key: str, *names: str) -> list[TopicRecord]:
        """Return the records under a key, all of them or those of the given event types."""
        found = self.by_key[topic, key.encode()]
        return [record for record in found if not names or (record.value and record.name in names)]

    async def _read_topics(self) -> None:
        while True:
            batches: dict[TopicPartition, Sequence[Any]] = await self._consumer.getmany(timeout_ms=200)
            for found in batches.values():
                for record in found:
                    self._add_record(record)
            if batches:
                async with self._changed:
                    self._changed.notify_all()

    def _add_record(self, found: Any) -> None:
        topic = found.topic.removeprefix(self._deployment.prefix)
        headers = tuple(found.headers)
        at = format_timestamp(found.timestamp)
        record = TopicRecord(topic, found.partition, found.offset, at, found.key, found.value, headers)
        self.records.append(record)
        self.by_key[topic, found.key].append(record)
        if topic in {*COMMANDS, SIGNALS}:
            self.by_id[str(record.attribute("id"))].append(record)
        elif topic.endswith(".dead-letters"):
            origin = [
                record.headers_by_name[f"dead-letter-{name}"] or b""
                for name in ("topic", "partition", "offset")
            ]
            self.dead_letters[b":".join(origin).decode()].append(record)
        elif record.value is not None:
            self.by_id[record.event["id"]].append(record)
            self.by_cause[record.event["causationid"]].append(record)
