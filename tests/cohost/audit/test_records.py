import pytest

from cohost_schemas import topics
from tests.cohost.audit.forged_log import EVENTS, OTHER_ROOM, REJECTIONS, ROOM, ForgedLog


@pytest.mark.parametrize(
    ("step", "claim"),
    [
        (-1, "has sequence 4 after 4"),
        (1, "has sequence 6: 5 is missing"),
        (3, "has sequence 8: 5 to 7 are missing"),
    ],
)
def test_a_sequence_that_is_not_dense_is_found(log: ForgedLog, step: int, claim: str) -> None:
    log.skew_sequence(topics.INVITATION_EVENTS, 0, step)
    log.append_input(topics.ROOMS, "fact-2", "RoomChanged", ROOM, hostId="alice", status="live")
    log.append_output("fact-2", "StageChanged")
    assert log.violations() == [f"{EVENTS}:0:4 {claim}"]


def test_a_first_sequence_that_is_not_1_is_found(log: ForgedLog) -> None:
    log.skew_sequence(topics.INVITATION_EVENTS, 1, 1)
    log.append_command("leave-3", OTHER_ROOM)
    log.append_output("leave-3", room=OTHER_ROOM)
    assert log.violations() == [f"{EVENTS}:1:0 has sequence 2: 1 is missing"]


def test_a_header_that_contradicts_its_envelope_is_found(log: ForgedLog) -> None:
    place = (EVENTS, 0)
    first = log.records[place][0]
    log.records[place][0] = first._replace(value=(first.value or b"").replace(b"0001", b"0007"))
    assert log.violations() == [f"{EVENTS}:0:0 has sequence 1 but says '00000000000000000007'"]


def test_an_event_of_another_room_than_its_key_is_found(log: ForgedLog) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.append_output("event-invitations.events-0-1", "CoHostLost", topic=topic)
    log.records["forged.broadcast.events", 0][0] = record._replace(key=b"room")
    log.append_output("event-invitations.events-0-1", "CoHostLost", OTHER_ROOM, topic, partition=0)
    assert log.violations() == [
        "forged.broadcast.events:0:0 has another key than its subject",
        "forged.broadcast.events:0:1 lies outside the partition of its room",
    ]


def test_badges_may_have_gaps_but_no_disorder(log: ForgedLog) -> None:
    log.skew_sequence(topics.BADGES, 0, 5)
    log.append_output("event-invitations.events-0-1", "BadgeChanged", topic=topics.BADGES)
    report = log.run_audit()
    assert report.violations == []
    assert report.unchecked == ["gaps among the badges, which compaction may have made (1)"]
    log.skew_sequence(topics.BADGES, 0, -2)
    log.append_output("event-invitations.events-0-1", "BadgeChanged", topic=topics.BADGES)
    assert log.violations() == ["forged.badges:0:1 has sequence 5 after 6"]


def test_an_event_of_the_wrong_type_is_found(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_output("leave-3", "CoHostLeft", topic=topics.INVITATION_REJECTIONS)
    assert log.violations() == [f"{REJECTIONS}:0:1 has the type cohost.CoHostLeft.v1"]


def test_an_event_without_a_cause_is_found(log: ForgedLog) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.append_output("cause", "CoHostLost", topic=topic)
    value = (record.value or b"").replace(b'"causationid":"cause",', b"")
    log.records["forged.broadcast.events", 0][0] = record._replace(value=value)
    assert log.violations() == ["forged.broadcast.events:0:0 has no causationid"]


def test_a_record_without_a_sequence_is_found(log: ForgedLog) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.append_output("event-invitations.events-0-1", "CoHostLost", topic=topic)
    log.records["forged.broadcast.events", 0][0] = record._replace(headers=[])
    assert log.violations() == ["forged.broadcast.events:0:0 has no header 'sequence'"]


def test_a_badge_is_no_outcome_of_a_command(log: ForgedLog) -> None:
    log.append_input(topics.BROADCAST_COMMANDS, "mute-1", "MuteCoHost", ROOM)
    log.append_output("mute-1", "BadgeChanged", topic=topics.BADGES)
    assert log.violations() == [
        "command mute-1 of forged.broadcast.commands, offset 0, has no outcome",
    ]


def test_an_event_with_the_id_of_another_is_found(log: ForgedLog) -> None:
    topic = topics.BROADCAST_EVENTS
    log.append_output("event-invitations.events-0-1", "CoHostLost", topic=topic)
    record = log.append_output("event-invitations.events-0-2", "CoHostLost", topic=topic)
    value = (record.value or b"").replace(b"broadcast.events-0-2", b"broadcast.events-0-1")
    log.records["forged.broadcast.events", 0][1] = record._replace(value=value)
    assert log.violations() == [
        "forged.broadcast.events:0:1 has the id of another record: event-broadcast.events-0-1"
    ]
