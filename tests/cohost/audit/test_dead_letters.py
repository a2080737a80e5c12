from typing import Any

import pytest

from cohost.audit.topology import LogRecord
from cohost.kafka.record_batches import OversizedRecord
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from tests.cohost.audit.forged_log import COMMANDS, DEAD_LETTERS, OTHER_ROOM, ROOM, ForgedLog


def test_a_bad_record_without_a_dead_letter_is_found(log: ForgedLog) -> None:
    log.append_record(topics.INVITATION_COMMANDS, 1, None, None, [])
    log.append_record(topics.ROOMS, 1, ROOM.encode(), None, [])
    assert log.violations() == [
        f"{COMMANDS}:1:1 (not_a_cloud_event) has no dead letter",
        "forged.rooms:1:0 (wrong_partition) has no dead letter",
    ]


def test_every_kind_of_bad_fact_must_have_its_own_reason(log: ForgedLog) -> None:
    log.append_dead_letter(log.append_input(topics.ROOMS, "odd", "RoomPainted", ROOM), "unknown_fact")
    log.append_dead_letter(
        log.append_input(topics.ROOMS, "half", "RoomChanged", ROOM, hostId="alice"), "invalid_fact"
    )
    log.append_dead_letter(log.append_record(topics.ROOMS, 0, OTHER_ROOM.encode(), None, []), "invalid_fact")
    assert log.violations() == [f"{DEAD_LETTERS}:0:3 gives the reason 'invalid_fact', not 'wrong_partition'"]


def test_a_second_dead_letter_is_found(log: ForgedLog) -> None:
    bad = log.records[COMMANDS, 0][1]
    log.append_dead_letter(bad)
    assert log.violations() == [f"{COMMANDS}:0:1 has two dead letters"]


def test_a_fact_may_be_read_twice_once_others_before_it_were_lost(log: ForgedLog) -> None:
    bad = log.append_record(topics.ROOMS, 0, ROOM.encode(), b"[]", [])
    log.drop_before(topics.ROOMS, 0, 1)
    log.append_dead_letter(bad)
    log.append_dead_letter(bad)
    assert log.violations() == []


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"other"},
        {"value": b"{}"},
        {"headers": []},
        {"more": [("x", b"")]},
        {"original_topic": "forged.rooms"},
    ],
)
def test_a_dead_letter_that_is_not_its_record_is_found(log: ForgedLog, change: dict[str, object]) -> None:
    log.append_dead_letter(
        log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")]), **change
    )
    assert log.violations() == [f"{DEAD_LETTERS}:0:1 is not a copy of {COMMANDS}:0:3"]


def test_a_dead_letter_from_before_the_original_topic_was_added_is_a_copy(log: ForgedLog) -> None:
    letter = log.append_dead_letter(log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    headers = [header for header in letter.headers if header[0] != "x-original-topic"]
    log.records[DEAD_LETTERS, 0][1] = letter._replace(headers=headers)
    assert log.violations() == []


def test_a_truncated_dead_letter_states_its_records_length(log: ForgedLog) -> None:
    bad = log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")])
    log.append_dead_letter(bad, value=b"", more=[("dead-letter-truncated", b"2")])
    other = log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")])
    log.append_dead_letter(other, value=b"", more=[("dead-letter-truncated", b"3")])
    assert log.violations() == [f"{DEAD_LETTERS}:0:2 is not a copy of {COMMANDS}:0:4"]


def test_a_dead_letter_of_a_sound_record_is_found(log: ForgedLog) -> None:
    log.append_dead_letter(log.records[COMMANDS, 0][0])
    assert log.violations() == [f"{DEAD_LETTERS}:0:1 is the dead letter of a valid record"]


def test_a_dead_letter_that_does_not_name_its_record_is_found(log: ForgedLog) -> None:
    record = log.append_dead_letter(log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    headers = [mark for mark in record.headers if mark[0] != "dead-letter-offset"]
    log.records[DEAD_LETTERS, 0][1] = record._replace(headers=headers)
    assert log.violations() == [
        f"{DEAD_LETTERS}:0:1 is a dead letter that does not name its record",
        f"{COMMANDS}:0:3 (not_a_cloud_event) has no dead letter",
    ]


def test_a_dead_letter_in_another_partition_than_its_record_is_found(log: ForgedLog) -> None:
    record = log.append_dead_letter(log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    log.records[DEAD_LETTERS, 0].pop()
    log.records[DEAD_LETTERS, 1] = [
        record._replace(partition=1, offset=0, headers=[*record.headers, ("sequence", b"1")])
    ]
    assert log.violations() == [
        f"{COMMANDS}:0:3 (not_a_cloud_event) has no dead letter",
        f"{DEAD_LETTERS}:1:0 is the dead letter of a record of another lane",
    ]


def test_a_dead_letter_may_be_past_its_retention(log: ForgedLog) -> None:
    log.append_dead_letter(log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    log.drop_before(topics.INVITATION_DEAD_LETTERS, 0, 1)
    report = log.run_audit()
    assert report.violations == []
    assert report.unchecked == ["invalid records whose dead letter may be past its retention (1)"]


def append_oversized(log: ForgedLog, topic: Topic) -> LogRecord:
    """Append an offset of a batch of 1000 bytes that was not unpacked."""
    record = log.append_record(topic, 0, None, b"", [])
    oversized: Any = OversizedRecord(
        *(*record[:4], 1, None, b"", None, -1, 0, ()), batch_bytes=1000, next_offset=record.offset + 1
    )
    log.records[record.topic, 0][-1] = oversized
    return record


@pytest.mark.parametrize("topic", [topics.INVITATION_COMMANDS, topics.ROOMS])
def test_a_dead_letter_of_an_oversized_batch_has_its_size_alone(log: ForgedLog, topic: Topic) -> None:
    size = ("dead-letter-truncated", b"1000")
    log.append_dead_letter(append_oversized(log, topic), more=[size])
    assert log.violations() == []
    changes: list[dict[str, Any]] = [{}, {"more": [size], "key": b"k"}, {"more": [size, ("trace", b"1")]}]
    wrong = [append_oversized(log, topic) for _ in changes]
    for record, change in zip(wrong, changes, strict=True):
        log.append_dead_letter(record, **change)
    assert log.violations() == [
        f"{DEAD_LETTERS}:0:{number} is not a copy of {record.topic}:0:{record.offset}"
        for number, record in enumerate(wrong, 2)
    ]


def test_a_batch_that_compaction_made_smaller_keeps_its_dead_letters(log: ForgedLog) -> None:
    record = log.append_input(topics.ROOMS, "fact-2", "RoomChanged", ROOM, hostId="alice", status="live")
    truncated = [("dead-letter-truncated", b"1000")]
    log.append_dead_letter(record, key=None, value=b"", headers=[], more=truncated)
    log.append_dead_letter(append_oversized(log, topics.ROOMS), more=[("dead-letter-truncated", b"1001")])
    report = log.run_audit()
    assert report.violations == []
    assert report.unchecked == ["dead letters of batches that compaction may have made small enough (1)"]
    sound = log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.append_dead_letter(sound, key=None, value=b"", headers=[], more=truncated)
    assert log.violations() == [f"{DEAD_LETTERS}:0:3 is the dead letter of a valid record"]
