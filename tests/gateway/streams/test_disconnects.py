"""Streams that are cut a thousand times, and a stranger on a busy room."""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from cohost_schemas import topics
from cohost_schemas.topics import Topic
from services.gateway.streams import recent_records
from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import FakeInvitations, GatewayCopy, StreamEvent
from tests.gateway.streams.stream_log import StreamLog, WrittenEvent

ROOMS = ["show", "talk", "quiz", "news"]
USERS = ["bob", "dan", "eve", "fay"]
EVENTS_WRITTEN = 900
MOST_BEHIND = 300
MOST_IN_MEMORY = 100
TOPICS = {
    **dict.fromkeys(("CoHostLeft", "InvitationSent"), topics.INVITATION_EVENTS),
    **dict.fromkeys(("GrantProvisioned", "CoHostMediaChanged"), topics.BROADCAST_EVENTS),
    **dict.fromkeys(("BadgeChanged", "BadgeRemoved"), topics.BADGES),
}

PUBLIC = ("CoHostLeft", "CoHostMediaChanged", "BadgeChanged", "BadgeRemoved")


@pytest.fixture
async def copies(log: StreamLog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[GatewayCopy]]:
    """Two copies, which have so few records in memory that some streams resume from the log."""
    monkeypatch.setattr(recent_records, "_MAX_RECORDS", MOST_IN_MEMORY)
    invitations = FakeInvitations({room: [(0, 0, "alice")] for room in ROOMS})
    async with (
        gateway_copies.run_copy(log.connection, invitations) as one,
        gateway_copies.run_copy(log.connection, invitations) as other,
    ):
        await asyncio.gather(one.wait_until_ready(), other.wait_until_ready())
        yield [one, other]


def random_event(chance: random.Random, number: int) -> WrittenEvent:
    room, user = chance.choice(ROOMS), chance.choice(USERS)
    match chance.randrange(4):
        case 0:
            return stream_log.co_host_left(room, user, number)
        case 1:
            return stream_log.broadcast_event("GrantProvisioned", room, user, number=number)
        case 2:
            return stream_log.broadcast_event("CoHostMediaChanged", room, user, number=number)
        case _:
            return stream_log.invitation_sent(room, user, chance.choice(USERS), number)


def random_badge(chance: random.Random) -> WrittenEvent:
    return stream_log.badge("show", chance.choice(USERS), chance.choice(["host", "coHost", None]))


class CutStream:
    """A client that is disconnected at random, and resumes at either copy."""

    def __init__(self, copies: list[GatewayCopy], path: str, user: str, chance: random.Random) -> None:
        self.found: list[StreamEvent] = []
        self.disconnects = 0
        self.begun = asyncio.Event()
        self._copies = copies
        self._path = path
        self._user = user
        self._chance = chance

    async def follow(self, count: int) -> None:
        """Read that many events."""
        after = None
        while len(self.found) < count:
            async with self._chance.choice(self._copies).open(self._path, self._user, after=after) as reader:
                after = reader.ready.id
                self.begun.set()
                for _ in range(min(self._chance.choice([0, 1, 1, 2, 4]), count - len(self.found))):
                    self.found.append(await reader.next_event())
                    after = self.found[-1].id
            self.disconnects += 1


def belongs_to(event: WrittenEvent, path: str) -> bool:
    _, _, kind, name, _ = path.split("/")
    if kind == "rooms":
        return event.room == name
    return name in (event.data["userId"], event.data.get("invitedBy"))


def in_log_order(events: Iterable[tuple[str, dict[str, Any]]]) -> dict[tuple[Topic, str], list[Any]]:
    """Return the events by topic and room: only these have an order."""
    found: defaultdict[tuple[Topic, str], list[Any]] = defaultdict(list)
    for name, data in events:
        found[TOPICS[name], data["roomId"]].append((name, data))
    return dict(found)


def data_of(event: StreamEvent) -> dict[str, Any]:
    data: dict[str, Any] = event.data if event.name == "BadgeRemoved" else event.data["data"]
    return data


async def write_while_followed(
    log: StreamLog, events: list[WrittenEvent], streams: dict[str, CutStream]
) -> None:
    """Write events at the pace of the streams, so that they are cut while the log grows.

    The first ones are more than there are in memory, whatever the pace is.
    """
    expected = 0
    for start, end in itertools.pairwise((0, *range(MOST_IN_MEMORY + 50, len(events) + 1, 10))):
        part = events[start:end]
        await log.write(*part)
        expected += sum(belongs_to(event, path) for event in part for path in streams)
        async with asyncio.timeout(gateway_copies.SECONDS):
            while sum(len(stream.found) for stream in streams.values()) < expected - MOST_BEHIND:
                await asyncio.sleep(0.01)


async def test_a_thousand_disconnects_lose_nothing_and_repeat_nothing(
    copies: list[GatewayCopy], log: StreamLog
) -> None:
    chance = random.Random(12)  # noqa: S311
    events = [random_event(chance, number) for number in range(EVENTS_WRITTEN)]
    paths = {f"/v1/rooms/{room}/stream": "alice" for room in ROOMS}
    paths |= {f"/v1/users/{user}/stream": user for user in USERS}
    streams = {path: CutStream(copies, path, user, chance) for path, user in paths.items()}
    async with asyncio.TaskGroup() as tasks:
        for path, stream in streams.items():
            tasks.create_task(stream.follow(sum(belongs_to(event, path) for event in events)))
        await asyncio.gather(*(stream.begun.wait() for stream in streams.values()))
        await write_while_followed(log, events, streams)
    for path, stream in streams.items():
        written = [(event.name, event.data) for event in events if belongs_to(event, path)]
        found = [(event.name, data_of(event)) for event in stream.found]
        assert in_log_order(found) == in_log_order(written)
    assert sum(stream.disconnects for stream in streams.values()) >= 1_000
    assert sum(copy.count("cohost_stream_past_reads_total") for copy in copies) > 0


async def test_a_stranger_on_a_busy_room_sees_no_invitation(
    copies: list[GatewayCopy], log: StreamLog
) -> None:
    chance = random.Random(7)  # noqa: S311
    events = [random_badge(chance) for _ in range(1_000)]
    for number in range(9_000):
        event = random_event(chance, number)
        events.append(event._replace(room="show", data={**event.data, "roomId": "show"}))
    chance.shuffle(events)
    found: list[StreamEvent] = []
    async with copies[0].open("/v1/rooms/show/stream", "bob") as reader:
        for start in range(0, len(events), 200):
            part = events[start : start + 200]
            await log.write(*part)
            found += await reader.take(sum(event.name in PUBLIC for event in part))
    assert in_log_order((event.name, data_of(event)) for event in found) == in_log_order(
        (event.name, event.data) for event in events if event.name in PUBLIC
    )
