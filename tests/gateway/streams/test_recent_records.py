"""The records in memory: which they are, and from where on all of them are there."""

import pytest

from services.gateway.streams import recent_records
from services.gateway.streams.positions import StreamKey
from services.gateway.streams.recent_records import RecentRecords
from services.gateway.streams.records import StreamRecord

SHOW, BOB = StreamKey("room", "show"), StreamKey("user", "bob")


def record(
    partition: int, offset: int, room: str = "show", user: str = "bob", size: int = 10
) -> StreamRecord:
    return StreamRecord(partition, offset, room, (user,), b"x" * size, is_public=True)


def test_records_are_found_by_room_and_by_user() -> None:
    recent = RecentRecords([5, 0])
    records = [record(0, 5), record(1, 3, "talk"), record(0, 6, user="eve")]
    for added in records:
        recent.append_record(added)
    assert list(recent.records_of(SHOW)) == [records[0], records[2]]
    assert list(recent.records_of(BOB)) == records[:2]
    assert list(recent.records_of(StreamKey("user", "show"))) == []
    assert recent.begin_offsets(SHOW, range(2)) == [5, 0]


def test_the_oldest_are_dropped_beyond_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_records, "_MAX_RECORDS", 2)
    recent = RecentRecords([0, 0])
    records = [record(0, 7, "talk", "eve"), record(1, 1), record(0, 9)]
    for added in records:
        recent.append_record(added)
    assert list(recent.records_of(SHOW)) == records[1:]
    assert list(recent.records_of(StreamKey("room", "talk"))) == []
    assert recent.begin_offsets(StreamKey("room", "talk"), range(2)) == [8, 0]
    assert recent.begin_offsets(StreamKey("user", "eve"), range(2)) == [8, 0]
    assert recent.begin_offsets(SHOW, range(2)) == [0, 0]


def test_the_oldest_are_dropped_beyond_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_records, "_MAX_BYTES", 100)
    recent = RecentRecords([0])
    for offset in range(5):
        recent.append_record(record(0, offset, size=40))
    assert [found.offset for found in recent.records_of(BOB)] == [3, 4]
    assert recent.begin_offsets(BOB, [0]) == [3]


def test_what_is_no_longer_known_of_quiet_streams_counts_as_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_records, "_MAX_RECORDS", 0)
    monkeypatch.setattr(recent_records, "_MAX_DROPPED", 4)
    recent = RecentRecords([0, 0])
    recent.append_record(record(0, 3, "talk", "eve"))
    recent.append_record(record(1, 5))
    assert recent.begin_offsets(SHOW, range(2)) == [0, 6]
    recent.append_record(record(1, 8, "quiz", "dan"))
    assert recent.begin_offsets(SHOW, range(2)) == [4, 6]
    assert recent.begin_offsets(StreamKey("user", "nobody"), range(2)) == [4, 0]
