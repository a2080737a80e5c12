"""The history of a room: all of its records, in order, a part at a time, within bounds."""

from typing import Any

import pytest

from cohost_schemas import ids, topics
from cohost_schemas.partitions import partition_of
from services.gateway.ops.history.history_reader import RoomHistoryReader
from services.gateway.ops.log_view import LogView
from tests.gateway.ops import ops_copy, ops_log
from tests.gateway.ops.ops_copy import OpsCopy
from tests.gateway.ops.ops_log import ROOM, SECONDS, OpsLog, PlayedRecord
from tests.gateway.streams.stream_log import PARTITIONS

# A room of the same partitions.
NEIGHBOUR = next(
    room
    for room in (f"neighbour-{number}" for number in range(100))
    if partition_of(room, PARTITIONS) == partition_of(ROOM, PARTITIONS)
)


def play(count: int, room: str = ROOM, size: int = 0) -> list[PlayedRecord]:
    """Return events and badges of a room, by turns on three topics."""
    topic_of = (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS, topics.INVITATION_REJECTIONS)
    return [
        ops_log.event(topic_of[number % 3], f"Event{number}", f"cause-{number}", room, text="x" * size)
        for number in range(count)
    ]


async def read_back(copy: OpsCopy, limit: int, room: str = ROOM) -> list[list[Any]]:
    """Return all parts of a history, the newest first."""
    part = await copy.history(room, limit=limit)
    parts = [part["items"]]
    while part["before"] is not None:
        part = await copy.history(room, limit=limit, before=part["before"])
        parts.append(part["items"])
    assert part["isComplete"]
    return parts


def events_in(items: list[Any]) -> list[Any]:
    return [item["event"] for item in items]


async def test_a_history_has_every_record_of_its_room_and_no_other(copy: OpsCopy, log: OpsLog) -> None:
    played = [
        ops_log.event(topics.ROOMS, "RoomChanged", "none"),
        ops_log.event(topics.INVITATION_COMMANDS, "SendInvitation", "none", event_id="send"),
        ops_log.invited("InvitationSent", "send"),
        ops_log.rejected("already_invited", "again")._replace(key=None),
        ops_log.event(topics.BROADCAST_COMMANDS, "MuteCoHost", "none", event_id="mute"),
        ops_log.broadcasted("CoHostMuted", "mute"),
        ops_log.rejected("not_co_host", "mute-2", topics.BROADCAST_REJECTIONS),
        ops_log.badge("bob"),
        ops_log.badge("bob", name=None),
        PlayedRecord(topics.INVITATION_COMMANDS, ROOM, ROOM.encode(), b"garbage"),
    ]
    for record in played:
        await log.write(record, record._replace(room=NEIGHBOUR, key=b"x" + (record.key or b"")))
        await log.write(*play(3, NEIGHBOUR))
    await log.abort(*play(3))
    history = await copy.history(ROOM)
    assert events_in(history["items"]) == [*(ops_log.event_of(record) for record in played[:-1]), None]
    assert [item["topic"] for item in history["items"]] == [record.topic.suffix for record in played]
    assert [item["key"] for item in history["items"]] == [
        None if record.key is None else record.key.decode() for record in played
    ]
    assert (history["roomId"], history["before"], history["isComplete"]) == (ROOM, None, True)
    assert history["unreadable"] == []


async def test_a_room_nobody_knows_has_an_empty_history(copy: OpsCopy) -> None:
    assert await copy.history("nobody") == {
        "roomId": "nobody",
        "items": [],
        "before": None,
        "isComplete": True,
        "unreadable": [],
    }
    assert (await copy.request("rooms/a%20b/history")).status_code == 422


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_parts_are_read_back_to_the_beginning_without_gap_or_repetition(
    copy: OpsCopy, log: OpsLog, limit: int
) -> None:
    played = play(40)
    for number, record in enumerate(played):
        await log.write(record, *play(number % 4, NEIGHBOUR))
    parts = await read_back(copy, limit)
    assert all(len(part) == limit for part in parts[:-1])
    assert events_in([item for part in reversed(parts) for item in part]) == [
        ops_log.event_of(record) for record in played
    ]


async def test_records_go_by_time_between_topics_and_by_the_log_within_one(
    copy: OpsCopy, log: OpsLog
) -> None:
    def at(topic: topics.Topic, name: str, seconds: float) -> PlayedRecord:
        return ops_log.event(topic, name, "cause", at=ops_log.seconds_ago(100 - seconds))

    await log.write(
        at(topics.BROADCAST_EVENTS, "Second", 2),
        at(topics.INVITATION_EVENTS, "First", 1),
        at(topics.INVITATION_EVENTS, "Fourth", 5),
        # Of a machine whose clock is behind.
        at(topics.INVITATION_EVENTS, "Fifth", 4),
        at(topics.BROADCAST_EVENTS, "Third", 3),
        at(topics.BROADCAST_EVENTS, "Sixth", 6),
    )
    items = [item for part in reversed(await read_back(copy, 2)) for item in part]
    names = [event["type"].split(".")[1] for event in events_in(items)]
    assert names == ["First", "Second", "Third", "Fourth", "Fifth", "Sixth"]


async def test_a_history_goes_on_with_what_is_new(log: OpsLog) -> None:
    played = play(30)
    view = LogView(log.connection)
    view.history = RoomHistoryReader(log.connection, max_seconds=SECONDS, shared_seconds=0)
    async with ops_copy.run_copy(log.connection, view) as copy:
        for number, record in enumerate(played, 1):
            await log.write(record, *play(20, NEIGHBOUR))
            items = (await copy.history(ROOM, limit=12))["items"]
            assert events_in(items) == [ops_log.event_of(record) for record in played[:number][-12:]]
        every = [item for part in reversed(await read_back(copy, 10)) for item in part]
        assert events_in(every) == [ops_log.event_of(record) for record in played]


async def test_a_large_partition_is_read_within_the_bound(log: OpsLog) -> None:
    oldest = play(3)
    await log.write(*oldest)
    for _ in range(5):
        await log.write(*play(300, NEIGHBOUR, size=1000))
    view = LogView(log.connection)
    view.history = RoomHistoryReader(log.connection, max_bytes=200_000, max_seconds=SECONDS)
    async with ops_copy.run_copy(log.connection, view) as copy:
        part = await copy.history(ROOM)
        assert (part["items"], part["isComplete"]) == ([], False)
        requests = 1
        while part["before"] is not None:
            part = await copy.history(ROOM, before=part["before"])
            requests += 1
        # Each of them reads at most a little more than the bound.
        assert 5 <= requests <= 40
        assert events_in(part["items"]) == [ops_log.event_of(record) for record in oldest]
        # Asked again, the newest part is not searched further.
        again = await copy.history(ROOM)
        assert (again["items"], again["isComplete"]) == ([], False)


async def test_large_records_are_read_one_by_one(log: OpsLog) -> None:
    played = [record for _ in range(4) for record in play(3, size=300_000)]
    for record in played:
        await log.write(record)
    view = LogView(log.connection)
    view.history = RoomHistoryReader(log.connection, max_bytes=1_000_000, max_seconds=SECONDS)
    async with ops_copy.run_copy(log.connection, view) as copy:
        items = [item for part in reversed(await read_back(copy, 200)) for item in part]
        assert len({(item["topic"], item["offset"]) for item in items}) == len(items) == len(played)


async def test_a_position_of_another_room_or_none_is_refused(copy: OpsCopy, log: OpsLog) -> None:
    await log.write(*play(3), *play(3, NEIGHBOUR))
    before = (await copy.history(NEIGHBOUR, limit=1))["before"]
    for text in (before, "x", "", before[:-4]):
        answer = await copy.request(f"rooms/{ROOM}/history", before=text)
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")
    for limit in ("0", "1001", "x"):
        assert (await copy.request(f"rooms/{ROOM}/history", limit=limit)).status_code == 422


async def test_commands_in_binary_mode_are_shown_as_events(copy: OpsCopy, log: OpsLog) -> None:
    command_id = ids.uuid7()
    headers = {
        "specversion": "1.0",
        "id": command_id,
        "source": "/app",
        "type": "cohost.LeaveStage.v1",
        "subject": ROOM,
    }
    await log.write(
        PlayedRecord(
            topics.INVITATION_COMMANDS,
            ROOM,
            ROOM.encode(),
            b'{"roomId": "show", "actorId": "bob"}',
            tuple((f"ce_{name}", value.encode()) for name, value in headers.items()),
        )
    )
    [item] = (await copy.history(ROOM))["items"]
    assert item["event"] == {**headers, "data": {"roomId": ROOM, "actorId": "bob"}}
