"""Server-Sent Events, read by the rules of the HTML standard and of the contract."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.contract.gateway_client import GatewayClient
from tests.contract.polling import wait_until
from tests.contract.topic_log import TIMEOUT_SECONDS, TopicRecord

STREAM_TIMEOUT = httpx.Timeout(45, read=None)
HOSTS_ONLY = re.compile(r"Invitation|Grant|IntruderRemoved|ParticipantQualityChanged|RecordingFinished")
USERS = re.compile(r"CoHost|Host|Grant|Badge|ParticipantQualityChanged")


@dataclass(frozen=True)
class StreamEvent:
    """An event of a stream."""

    name: str
    data: Any
    id: str

    @property
    def topic(self) -> str:
        """The topic that the event comes from."""
        if self.name.startswith("Badge"):
            return "badges"
        return {"/cohost/invitations": "invitations.events", "/cohost/broadcast": "broadcast.events"}[
            self.data["source"]
        ]


class EventStream:
    """A stream that is being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: list[StreamEvent] = []
        self.comments = 0
        self.is_ended = False
        self._response = response
        self._fields: dict[str, str] = {}

    @property
    def ready(self) -> StreamEvent:
        return self.events[0]

    @property
    def news(self) -> list[StreamEvent]:
        """The events after `ready`."""
        return self.events[1:]

    @property
    def position(self) -> str:
        """The position behind everything read so far."""
        return self.events[-1].id

    def names(self) -> list[str]:
        return [event.name for event in self.news]

    async def read(self) -> None:
        """Read until the stream ends."""
        rest = b""
        try:
            async for chunk in self._response.aiter_raw():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take_line(line.removesuffix(b"\r").decode())
        except httpx.RemoteProtocolError:
            pass  # cut off, as a process that ends may do
        finally:
            self.is_ended = True

    def _take_line(self, line: str) -> None:
        assert "\r" not in line
        if line.startswith(":"):
            self.comments += 1
        elif line:
            name, _, value = line.partition(":")
            assert name not in self._fields, f"a second line {name}"
            self._fields[name] = value.removeprefix(" ")
        elif self._fields:
            assert set(self._fields) == {"event", "data", "id"}, self._fields
            data = json.loads(self._fields["data"])
            self.events.append(StreamEvent(self._fields["event"], data, self._fields["id"]))
            self._fields = {}

    async def wait_for(self, *names: str, count: int = 1) -> list[StreamEvent]:
        """Wait for so many events with these names, or with any, after `ready`, and return them."""

        def found() -> list[StreamEvent] | None:
            events = [event for event in self.news if not names or event.name in names]
            assert len(events) >= count or not self.is_ended, "the stream has ended"
            return events if len(events) >= count else None

        return list(await wait_until(found, f"{count} of {names} on the stream, which has {self.names()}"))

    async def wait_for_end(self, seconds: float = TIMEOUT_SECONDS) -> None:
        await wait_until(lambda: self.is_ended, "the end of the stream", seconds)

    def by_topic(self) -> dict[str, list[tuple[str, Any]]]:
        """Return names and data by topic: between topics there is no order."""
        found = defaultdict(list)
        for event in self.news:
            found[event.topic].append((event.name, event.data))
        return dict(found)


@asynccontextmanager
async def open_stream(
    gateway: GatewayClient, path: str, user: str, *, after: str | None = None, **claims: Any
) -> AsyncIterator[EventStream]:
    """Open a stream, behind a position if one is given; it is ready."""
    headers = gateway.web.headers(user, **claims)
    if after is not None:
        headers["Last-Event-ID"] = after
    async with gateway.http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as response:
        assert response.status_code == 200, (await response.aread()).decode()
        assert response.headers["content-type"].split(";")[0] == "text/event-stream"
        stream = EventStream(response)
        reading = asyncio.create_task(stream.read())
        try:
            await wait_until(lambda: stream.events, f"the first event of {path}")
            assert (stream.ready.name, stream.ready.data) == ("ready", {})
            yield stream
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()


def published_events(records: Iterable[TopicRecord]) -> dict[str, list[tuple[str, Any]]]:
    """Return names and data by topic, as a stream has them, of records of the topics."""
    found = defaultdict(list)
    for record in records:
        if record.topic not in {"invitations.events", "broadcast.events", "badges"}:
            continue
        if record.value is None:
            room, user = (record.key or b"").decode().split("/")
            found[record.topic].append(("BadgeRemoved", {"roomId": room, "userId": user}))
        else:
            found[record.topic].append((record.name, record.event))
    return dict(found)


def names_room(record: TopicRecord, room: str) -> bool:
    """Return whether a record of an output topic is about a room."""
    return (record.key or b"").decode().split("/")[0] == room


def names_user(record: TopicRecord, user: str) -> bool:
    """Return whether a record is for the stream of a user."""
    if record.value is None:
        return (record.key or b"").decode().endswith(f"/{user}")
    data = record.event["data"]
    if record.name.startswith("Invitation"):
        return user in (data["userId"], data["invitedBy"])
    return bool(USERS.match(record.name)) and data.get("userId") == user


def is_for_everyone(record: TopicRecord) -> bool:
    """Return whether anyone with a token may see a record on its room's stream."""
    return record.value is None or HOSTS_ONLY.match(record.name) is None
