"""Streams that resume behind a position: on the same copy, on another one, and when the log has moved on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cohost_schemas import topics
from services.gateway.streams import event_hub, live_log, positions, recent_records
from services.gateway.streams.positions import Position, StreamKey
from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import FakeInvitations, GatewayCopy, StreamEvent
from tests.gateway.streams.stream_log import StreamLog, WrittenEvent

ROOM = "/v1/rooms/show/stream"
BOB = "/v1/users/bob/stream"


@pytest.fixture
async def copies(log: StreamLog, invitations: FakeInvitations) -> AsyncIterator[list[GatewayCopy]]:
    """Two copies of the gateway."""
    async with (
        gateway_copies.run_copy(log.connection, invitations) as one,
        gateway_copies.run_copy(log.connection, invitations) as other,
    ):
        await asyncio.gather(one.wait_until_ready(), other.wait_until_ready())
        yield [one, other]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep few records in memory, so that streams resume from the log."""
    monkeypatch.setattr(recent_records, "_MAX_RECORDS", 5)


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_records, "_MAX_RECORDS", 0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream wait for its badges as long as a busy Kafka takes."""
    monkeypatch.setattr(event_hub, "_READ_SECONDS", gateway_copies.SECONDS)


def numbers(events: list[StreamEvent]) -> list[str]:
    return [event.data["data"]["invitationId"] for event in events]


def left(count: int, start: int = 0, room: str = "show") -> list[WrittenEvent]:
    return [stream_log.co_host_left(room, "bob", number) for number in range(start, start + count)]


def labels(count: int, start: int = 0) -> list[str]:
    return [f"i-{number}" for number in range(start, start + count)]


async def first_position(copy: GatewayCopy, path: str, user: str) -> str:
    async with copy.open(path, user) as reader:
        return reader.ready.id


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_resumes_behind_each_event(
    copies: list[GatewayCopy], log: StreamLog, path: str
) -> None:
    after = await first_position(copies[0], path, "bob")
    await log.write(*left(20))
    for number in range(20):
        async with copies[number % 2].open(path, "bob", after=after) as reader:
            assert reader.ready.id == after
            found = await reader.take(20 - number)
        assert numbers(found) == labels(20 - number, number)
        after = found[0].id


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_resumes_from_memory(copies: list[GatewayCopy], log: StreamLog, path: str) -> None:
    after = await first_position(copies[0], path, "bob")
    await log.write_in_parts(left(1_300))
    async with copies[1].open(path, "bob", after=after) as reader:
        found = await reader.take(1_300)
        assert numbers(found) == labels(1_300)
        await log.write(*left(1, 5_000))
        assert numbers(await reader.take(1)) == labels(1, 5_000)
    assert copies[1].count("cohost_stream_past_reads_total") == 0
    await resume_and_expect(copies[0], path, found[499].id, labels(800, 500))


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_resumes_from_the_log(copies: list[GatewayCopy], log: StreamLog, path: str) -> None:
    after = await first_position(copies[0], path, "bob")
    await log.write_in_parts(left(1_300))
    await log.write_in_parts([stream_log.co_host_left("other", "eve", number) for number in range(300)])
    async with copies[1].open(path, "bob", after=after) as reader:
        assert numbers(await reader.take(1_300)) == labels(1_300)
        await log.write(*left(1, 5_000))
        assert numbers(await reader.take(1)) == labels(1, 5_000)
    assert copies[1].count("cohost_stream_past_reads_total") >= 3


async def test_a_copy_that_starts_later_resumes_streams(
    copy: GatewayCopy, log: StreamLog, invitations: FakeInvitations
) -> None:
    after = await first_position(copy, ROOM, "bob")
    await log.write(*left(3))
    async with gateway_copies.run_copy(log.connection, invitations) as later:
        await later.wait_until_ready()
        await log.write(*left(2, 3))
        async with later.open(ROOM, "bob", after=after) as reader:
            assert numbers(await reader.take(5)) == labels(5)


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_copy_that_lags_behind_a_position_repeats_nothing(
    copies: list[GatewayCopy], log: StreamLog, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catching_up = asyncio.Event()
    add_records = live_log.LiveLog.add_records

    async def add_late(self: live_log.LiveLog, batch: list[object]) -> None:
        if self is copies[1].hub._session.live:  # type: ignore[union-attr]  # noqa: SLF001
            await catching_up.wait()
        await add_records(self, batch)

    monkeypatch.setattr(live_log.LiveLog, "add_records", add_late)
    async with copies[0].open(path, "bob") as reader:
        await log.write(*left(10))
        after = (await reader.take(10))[6].id
        await log.write(stream_log.badge("show", "bob"))
        await reader.take(1)
    async with copies[1].open(path, "bob", after=after) as reader:
        catching_up.set()
        found = await reader.take(4)
        late = [event for event in found if event.name == "CoHostLeft"]
        assert numbers(late)[:3] == labels(3, 7)
        await log.write(*left(1, 50))
    await resume_and_expect(copies[0], path, late[2].id, ["i-50"])
    await resume_and_expect(copies[1], path, late[2].id, ["i-50"])


async def resume_and_expect(copy: GatewayCopy, path: str, after: str, expected: list[str]) -> None:
    async with copy.open(path, "bob", after=after) as reader:
        found: list[StreamEvent] = []
        while len(found) < len(expected):
            event = await reader.next_event()
            found += [event] if event.name == "CoHostLeft" else []
        assert numbers(found) == expected


async def check_badges_come_once(copy: GatewayCopy, log: StreamLog, path: str) -> None:
    after = await first_position(copy, path, "bob")
    badges = [stream_log.badge("show", "bob", badge) for badge in ("coHost", None, "host")]
    lost = [stream_log.broadcast_event("CoHostLost", "show", "bob") for _ in range(3)]
    await log.write(*badges, *lost)
    async with copy.open(path, "bob", after=after) as reader:
        await log.write(*left(1))
        found = await reader.take(5)
    assert [event.data["data"]["badge"] for event in found if event.name == "BadgeChanged"] == ["host"]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_badges_that_changed_again_come_once_as_they_are_last(
    copy: GatewayCopy, log: StreamLog, path: str
) -> None:
    await check_badges_come_once(copy, log, path)


@pytest.mark.usefixtures("no_memory", "patient")
@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_badges_from_the_log_come_once_as_they_are_last(
    copy: GatewayCopy, log: StreamLog, path: str
) -> None:
    await check_badges_come_once(copy, log, path)


@pytest.mark.parametrize("topic", [topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS])
@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_position_that_the_log_has_no_longer_is_gone(
    copy: GatewayCopy, log: StreamLog, path: str, topic: topics.Topic
) -> None:
    after = await first_position(copy, path, "bob")
    events = {
        topics.INVITATION_EVENTS: left(1)[0],
        topics.BROADCAST_EVENTS: stream_log.broadcast_event("CoHostLost", "show", "bob"),
    }
    await log.write(events[topic])
    await log.delete_all(topic, "show")
    answer = await copy.request(path, "bob", after=after)
    assert (answer.status_code, answer.json()["reason"]) == (410, "position_gone")


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_position_behind_all_that_was_deleted_is_not_gone(
    copy: GatewayCopy, log: StreamLog, path: str
) -> None:
    async with copy.open(path, "bob") as reader:
        await log.write(*left(1))
        # Otherwise the log might move on before the copy has read so far.
        await reader.take(1)
    after = await first_position(copy, path, "bob")
    await log.delete_all(topics.INVITATION_EVENTS, "show")
    await log.write(*left(1, 1))
    await resume_and_expect(copy, path, after, ["i-1"])


@pytest.mark.parametrize(("kind", "path"), [("room", ROOM), ("user", BOB)])
async def test_a_position_that_the_log_does_not_have_yet_is_gone(
    copy: GatewayCopy, kind: str, path: str
) -> None:
    key = StreamKey(kind, path.split("/")[3])  # type: ignore[arg-type]
    now = await copy.hub.current_position(key)
    ahead = Position(now.hour, (*now.offsets[:-1], now.offsets[-1] + 1))
    answer = await copy.request(path, "bob", after=text_of(key, ahead))
    assert (answer.status_code, answer.json()["reason"]) == (410, "position_gone")


async def test_a_position_older_than_the_badges_tombstones_is_gone(
    copy: GatewayCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = StreamKey("room", "show")
    now = await copy.hub.current_position(key)
    monkeypatch.setattr(live_log, "current_hour", lambda: now.hour)
    for hours, status in ((167, 200), (168, 410)):
        old = text_of(key, now._replace(hour=now.hour - hours))
        assert (await copy.request(ROOM, "bob", "HEAD", after=old)).status_code == status


def text_of(key: StreamKey, position: Position) -> str:
    encoded = positions.encode_offsets(position.hour, position.offsets)
    return positions.encode_position(key, encoded).decode()


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_what_is_no_position_of_the_stream_is_refused(copy: GatewayCopy, path: str) -> None:
    others = [
        await first_position(copy, "/v1/users/eve/stream", "eve"),
        await first_position(copy, BOB if path == ROOM else ROOM, "bob"),
        text_of(StreamKey("room", "show"), Position(490_000, (0, 0))),
    ]
    for after in ("nonsense", "0", "-", *others):
        answer = await copy.request(path, "bob", after=after)
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")


async def test_an_empty_position_is_none(copy: GatewayCopy, log: StreamLog) -> None:
    await log.write(*left(1))
    async with copy.open(ROOM, "bob", after="") as reader:
        await log.write(*left(1, 1))
        assert numbers(await reader.take(1)) == ["i-1"]


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_begins_behind_the_log_where_the_reader_is_late(
    copy: GatewayCopy, log: StreamLog, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read = asyncio.Event()
    add_records = live_log.LiveLog.add_records

    async def add_late(self: live_log.LiveLog, batch: Sequence[Any]) -> None:
        await may_read.wait()
        await add_records(self, batch)

    monkeypatch.setattr(live_log.LiveLog, "add_records", add_late)
    await log.write(*left(1))
    async with copy.open(path, "bob") as reader:
        may_read.set()
        await log.write(*left(1, 1))
        assert numbers(await reader.take(1)) == ["i-1"]


async def test_a_host_of_the_past_sees_the_own_past_after_resuming(
    copies: list[GatewayCopy], log: StreamLog, invitations: FakeInvitations
) -> None:
    after = {user: await first_position(copies[0], ROOM, user) for user in ("alice", "carol")}
    await log.write(
        stream_log.invitation_sent("show", "bob", "alice", 1),
        stream_log.stage_changed("show", "carol", 10),
        stream_log.invitation_sent("show", "dan", "carol", 2),
    )
    invitations.hosts["show"].append((2, 10, "carol"))
    found = {}
    for user, position in after.items():
        async with copies[1].open(ROOM, user, after=position) as reader:
            found[user] = [event.name for event in await reader.take(2)]
    assert found == {"alice": ["InvitationSent", "StageChanged"], "carol": ["StageChanged", "InvitationSent"]}


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_that_missed_nothing_gets_a_newer_position(
    copies: list[GatewayCopy], log: StreamLog, path: str
) -> None:
    after = await first_position(copies[0], path, "bob")
    elsewhere = [stream_log.co_host_left(room, "eve") for room in ("other", "talk", "quiz", "news", "a", "b")]
    async with copies[1].open("/v1/users/eve/stream", "eve") as reader:
        await log.write(*elsewhere)
        await reader.take(len(elsewhere))
    async with copies[1].open(path, "bob", after=after) as reader:
        assert reader.ready.id != after
        newer = reader.ready.id
    await log.write(*left(1))
    await resume_and_expect(copies[0], path, newer, ["i-0"])
