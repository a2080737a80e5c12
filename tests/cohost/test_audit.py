import pytest

from cohost.audit import Report
from schemas import topics
from tests.cohost.forged import DAY_MS, OTHER_ROOM, ROOM, Log

COMMANDS = "forged.invitations.commands"
EVENTS = "forged.invitations.events"
REJECTIONS = "forged.invitations.rejections"
LETTERS = "forged.invitations.dead-letters"


@pytest.fixture
def log() -> Log:
    """A sound log with one of everything."""
    log = Log()
    log.write(topics.ROOMS, "fact-1", "RoomChanged", ROOM, hostId="alice", status="live")
    log.event("fact-1", "StageChanged")
    log.command("send-1", name="SendInvitation")
    log.event("send-1", "InvitationExpired")
    log.event("send-1", "InvitationSent")
    log.command("leave-1", OTHER_ROOM)
    log.rejection("leave-1", OTHER_ROOM)
    log.tombstone(ROOM)
    log.event("forged.rooms:0:1", "StageChanged")
    bad = log.append(topics.INVITATION_COMMANDS, 0, b"key", b"no json", [("trace", b"1")])
    log.dead_letter(bad)
    log.command("leave-2")
    log.rejection("leave-2")
    return log


def violations(log: Log) -> list[str]:
    return log.audit().violations


def test_a_sound_log_has_no_violation(log: Log) -> None:
    assert log.audit() == Report(commands=3, outcomes=3, events=4, rejections=2, dead_letters=1)


def test_a_command_without_an_outcome_is_found(log: Log) -> None:
    log.command("leave-3")
    assert violations(log) == [f"command leave-3 of {COMMANDS}, offset 3, has no outcome"]


def test_a_repeated_command_needs_no_second_outcome(log: Log) -> None:
    log.command("leave-2")
    log.command("leave-2", OTHER_ROOM)
    assert log.audit() == Report(commands=3, outcomes=3, events=4, rejections=2, dead_letters=1)


def test_the_outcome_may_lie_in_any_partition_that_has_the_command(log: Log) -> None:
    log.command("both", ROOM)
    log.command("both", OTHER_ROOM)
    log.event("both", room=OTHER_ROOM)
    assert violations(log) == []


def test_an_outcome_in_two_partitions_is_found(log: Log) -> None:
    log.command("both", ROOM)
    log.command("both", OTHER_ROOM)
    log.event("both", room=OTHER_ROOM)
    log.rejection("both", room=ROOM)
    assert violations(log) == [f"command both of {COMMANDS} has a second outcome, in another partition"]


def test_an_outcome_outside_its_commands_partition_is_found(log: Log) -> None:
    log.command("leave-3")
    log.rejection("leave-3", partition=1)
    assert violations(log) == [
        f"{REJECTIONS}:1:1 has a cause that is not in its lane: leave-3",
        f"command leave-3 of {COMMANDS}, offset 3, has no outcome",
    ]


def test_an_event_and_a_rejection_of_one_command_are_found(log: Log) -> None:
    log.event("leave-2")
    assert violations(log) == [f"command leave-2 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:0"]


def test_two_rejections_of_one_command_are_found(log: Log) -> None:
    log.rejection("leave-2")
    assert violations(log) == [f"command leave-2 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:1"]


def test_events_of_one_command_that_do_not_follow_each_other_are_found(log: Log) -> None:
    log.command("leave-3")
    log.event("leave-3")
    log.event("send-1", "InvitationSent")
    assert violations(log) == [
        f"{EVENTS}:0:5 answers the command at offset 0 after that at 3",
        f"command send-1 of {COMMANDS} has a second outcome, at {EVENTS}:0:5",
    ]


def test_a_week_later_a_command_may_be_decided_again(log: Log) -> None:
    log.now += 8 * DAY_MS
    log.command("leave-2")
    log.rejection("leave-2")
    assert log.audit() == Report(
        commands=3,
        outcomes=3,
        events=4,
        rejections=3,
        dead_letters=1,
        unchecked=["second outcomes of commands that came back after a week (1)"],
    )


def test_an_outcome_without_a_cause_is_found(log: Log) -> None:
    log.event("nobody")
    log.rejection("nothing")
    assert violations(log) == [
        f"{EVENTS}:0:4 has a cause that is not in its lane: nobody",
        f"{REJECTIONS}:0:1 has a cause that is not in its lane: nothing",
    ]


def test_a_rejection_of_a_fact_is_found(log: Log) -> None:
    log.rejection("fact-1")
    assert violations(log) == [f"{REJECTIONS}:0:1 is an outcome, but its cause fact-1 is no command"]


@pytest.mark.parametrize(
    ("step", "claim"),
    [
        (-1, "has sequence 4 after 4"),
        (1, "has sequence 6: 5 is missing"),
        (3, "has sequence 8: 5 to 7 are missing"),
    ],
)
def test_a_sequence_that_is_not_dense_is_found(log: Log, step: int, claim: str) -> None:
    log.spoil(topics.INVITATION_EVENTS, 0, step)
    log.write(topics.ROOMS, "fact-2", "RoomChanged", ROOM, hostId="alice", status="live")
    log.event("fact-2", "StageChanged")
    assert violations(log) == [f"{EVENTS}:0:4 {claim}"]


def test_a_first_sequence_that_is_not_1_is_found(log: Log) -> None:
    log.spoil(topics.INVITATION_EVENTS, 1, 1)
    log.command("leave-3", OTHER_ROOM)
    log.event("leave-3", room=OTHER_ROOM)
    assert violations(log) == [f"{EVENTS}:1:0 has sequence 2: 1 is missing"]


def test_a_header_that_contradicts_its_envelope_is_found(log: Log) -> None:
    place = (EVENTS, 0)
    first = log.records[place][0]
    log.records[place][0] = first._replace(value=(first.value or b"").replace(b"0001", b"0007"))
    assert violations(log) == [f"{EVENTS}:0:0 has sequence 1 but says '00000000000000000007'"]


def test_outcomes_out_of_their_commands_order_are_found(log: Log) -> None:
    log.command("leave-3")
    log.command("leave-4")
    log.rejection("leave-4")
    log.rejection("leave-3")
    assert violations(log) == [f"{REJECTIONS}:0:2 answers the command at offset 3 after that at 4"]


def test_a_bad_record_without_a_dead_letter_is_found(log: Log) -> None:
    log.append(topics.INVITATION_COMMANDS, 1, None, None, [])
    log.append(topics.ROOMS, 1, ROOM.encode(), None, [])
    assert violations(log) == [
        f"{COMMANDS}:1:1 (not_a_cloud_event) has no dead letter",
        "forged.rooms:1:0 (wrong_partition) has no dead letter",
    ]


def test_every_kind_of_bad_fact_must_have_its_own_reason(log: Log) -> None:
    log.dead_letter(log.write(topics.ROOMS, "odd", "RoomPainted", ROOM), "unknown_fact")
    log.dead_letter(log.write(topics.ROOMS, "half", "RoomChanged", ROOM, hostId="alice"), "invalid_fact")
    log.dead_letter(log.append(topics.ROOMS, 0, OTHER_ROOM.encode(), None, []), "invalid_fact")
    assert violations(log) == [f"{LETTERS}:0:3 gives the reason 'invalid_fact', not 'wrong_partition'"]


def test_a_second_dead_letter_is_found(log: Log) -> None:
    bad = log.records[COMMANDS, 0][1]
    log.dead_letter(bad)
    assert violations(log) == [f"{COMMANDS}:0:1 has two dead letters"]


def test_a_fact_may_be_read_twice_once_others_before_it_were_lost(log: Log) -> None:
    bad = log.append(topics.ROOMS, 0, ROOM.encode(), b"[]", [])
    log.cut(topics.ROOMS, 0, 1)
    log.dead_letter(bad)
    log.dead_letter(bad)
    assert violations(log) == []


@pytest.mark.parametrize(
    "change", [{"key": b"other"}, {"value": b"{}"}, {"headers": []}, {"more": [("x", b"")]}]
)
def test_a_dead_letter_that_is_not_its_record_is_found(log: Log, change: dict[str, object]) -> None:
    log.dead_letter(log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")]), **change)
    assert violations(log) == [f"{LETTERS}:0:1 is not {COMMANDS}:0:3 as it was"]


def test_a_truncated_dead_letter_says_how_long_its_record_was(log: Log) -> None:
    bad = log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")])
    log.dead_letter(bad, value=b"", more=[("dead-letter-truncated", b"2")])
    other = log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", [("a", b"b")])
    log.dead_letter(other, value=b"", more=[("dead-letter-truncated", b"3")])
    assert violations(log) == [f"{LETTERS}:0:2 is not {COMMANDS}:0:4 as it was"]


def test_a_dead_letter_of_a_sound_record_is_found(log: Log) -> None:
    log.dead_letter(log.records[COMMANDS, 0][0])
    assert violations(log) == [f"{LETTERS}:0:1 is the dead letter of a record that is not bad"]


def test_an_event_of_another_room_than_its_key_is_found(log: Log) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.event("event-invitations.events-0-1", "CoHostLost", topic=topic)
    log.records["forged.broadcast.events", 0][0] = record._replace(key=b"room")
    log.event("event-invitations.events-0-1", "CoHostLost", OTHER_ROOM, topic, partition=0)
    assert violations(log) == [
        "forged.broadcast.events:0:0 has another key than its subject",
        "forged.broadcast.events:0:1 lies outside the partition of its room",
    ]


def test_badges_may_have_gaps_but_no_disorder(log: Log) -> None:
    log.spoil(topics.BADGES, 0, 5)
    log.event("event-invitations.events-0-1", "BadgeChanged", topic=topics.BADGES)
    assert violations(log) == []
    log.spoil(topics.BADGES, 0, -2)
    log.event("event-invitations.events-0-1", "BadgeChanged", topic=topics.BADGES)
    assert violations(log) == ["forged.badges:0:1 has sequence 5 after 6"]


def test_what_retention_has_cut_off_is_said_and_not_held_against_anyone(log: Log) -> None:
    log.cut(topics.INVITATION_COMMANDS, 0, 2)
    log.cut(topics.INVITATION_EVENTS, 0, 1)
    assert log.audit() == Report(
        commands=2,
        outcomes=2,
        events=3,
        rejections=2,
        dead_letters=1,
        unchecked=[
            "dead letters of records that are not in the log any more (1)",
            "events and rejections whose cause is not in the log any more (1)",
        ],
    )


def test_a_command_older_than_the_oldest_rejection_may_have_had_one(log: Log) -> None:
    log.command("leave-3")
    log.rejection("leave-3")
    log.command("leave-4")
    log.cut(topics.INVITATION_REJECTIONS, 0, 1)
    report = log.audit()
    assert report.violations == [f"command leave-4 of {COMMANDS}, offset 4, has no outcome"]
    assert report.unchecked == ["commands whose rejection may be past its retention (1)"]


def test_a_compacted_fact_may_have_been_a_cause(log: Log) -> None:
    log.records["forged.rooms", 0].pop(0)
    report = log.audit()
    assert report.violations == []
    assert report.unchecked == ["events and rejections whose cause is not in the log any more (1)"]


def test_an_event_of_the_wrong_type_is_found(log: Log) -> None:
    log.command("leave-3")
    log.event("leave-3", "CoHostLeft", topic=topics.INVITATION_REJECTIONS)
    assert violations(log) == [f"{REJECTIONS}:0:1 has the type cohost.CoHostLeft.v1"]


def test_an_event_without_a_cause_is_found(log: Log) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.event("cause", "CoHostLost", topic=topic)
    value = (record.value or b"").replace(b'"causationid":"cause",', b"")
    log.records["forged.broadcast.events", 0][0] = record._replace(value=value)
    assert violations(log) == ["forged.broadcast.events:0:0 has no causationid"]


def test_a_record_without_a_sequence_is_found(log: Log) -> None:
    topic = topics.BROADCAST_EVENTS
    record = log.event("event-invitations.events-0-1", "CoHostLost", topic=topic)
    log.records["forged.broadcast.events", 0][0] = record._replace(headers=[])
    assert violations(log) == ["forged.broadcast.events:0:0 has no header 'sequence'"]


def test_a_badge_is_no_outcome_of_a_command(log: Log) -> None:
    log.write(topics.BROADCAST_COMMANDS, "mute-1", "MuteCoHost", ROOM)
    log.event("mute-1", "BadgeChanged", topic=topics.BADGES)
    assert violations(log) == [
        "command mute-1 of forged.broadcast.commands, offset 0, has no outcome",
    ]


def test_a_repeated_command_keeps_the_place_of_its_first_record(log: Log) -> None:
    log.command("leave-3")
    log.command("leave-4")
    log.command("leave-3")
    log.rejection("leave-3")
    log.rejection("leave-4")
    assert violations(log) == []


def test_a_dead_letter_that_does_not_name_its_record_is_found(log: Log) -> None:
    record = log.dead_letter(log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    headers = [mark for mark in record.headers if mark[0] != "dead-letter-offset"]
    log.records[LETTERS, 0][1] = record._replace(headers=headers)
    assert violations(log) == [
        f"{LETTERS}:0:1 is a dead letter that does not name its record",
        f"{COMMANDS}:0:3 (not_a_cloud_event) has no dead letter",
    ]


def test_a_dead_letter_in_another_partition_than_its_record_is_found(log: Log) -> None:
    record = log.dead_letter(log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    log.records[LETTERS, 0].pop()
    log.records[LETTERS, 1] = [
        record._replace(partition=1, offset=0, headers=[*record.headers, ("sequence", b"1")])
    ]
    assert violations(log) == [
        f"{COMMANDS}:0:3 (not_a_cloud_event) has no dead letter",
        f"{LETTERS}:1:0 is the dead letter of a record of another lane",
    ]


def test_a_dead_letter_may_be_past_its_retention(log: Log) -> None:
    log.dead_letter(log.append(topics.INVITATION_COMMANDS, 0, b"key", b"[]", []))
    log.cut(topics.INVITATION_DEAD_LETTERS, 0, 1)
    report = log.audit()
    assert report.violations == []
    assert report.unchecked == ["bad records whose dead letter may be past its retention (1)"]
