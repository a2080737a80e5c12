import pytest

from cohost.audit import Report
from cohost_schemas import topics
from tests.cohost.audit.forged_log import COMMANDS, DAY_MS, EVENTS, OTHER_ROOM, REJECTIONS, ROOM, ForgedLog


def test_a_sound_log_has_no_violation(log: ForgedLog) -> None:
    assert log.run_audit() == Report(commands=3, outcomes=3, events=4, rejections=2, dead_letters=1)


def test_a_command_without_an_outcome_is_found(log: ForgedLog) -> None:
    log.append_command("leave-3")
    assert log.violations() == [f"command leave-3 of {COMMANDS}, offset 3, has no outcome"]


def test_a_repeated_command_needs_no_second_outcome(log: ForgedLog) -> None:
    log.append_command("leave-2")
    log.append_command("leave-2", OTHER_ROOM)
    assert log.run_audit() == Report(commands=3, outcomes=3, events=4, rejections=2, dead_letters=1)


def test_the_outcome_may_lie_in_any_partition_that_has_the_command(log: ForgedLog) -> None:
    log.append_command("both", ROOM)
    log.append_command("both", OTHER_ROOM)
    log.append_output("both", room=OTHER_ROOM)
    assert log.violations() == []


def test_an_outcome_in_two_partitions_is_found(log: ForgedLog) -> None:
    log.append_command("both", ROOM)
    log.append_command("both", OTHER_ROOM)
    log.append_output("both", room=OTHER_ROOM)
    log.append_rejection("both", room=ROOM)
    assert log.violations() == [f"command both of {COMMANDS} has a second outcome, in another partition"]


def test_an_outcome_outside_its_commands_partition_is_found(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_rejection("leave-3", partition=1)
    assert log.violations() == [
        f"{REJECTIONS}:1:1 has a cause that is not in its lane: leave-3",
        f"command leave-3 of {COMMANDS}, offset 3, has no outcome",
    ]


def test_an_event_and_a_rejection_of_one_command_are_found(log: ForgedLog) -> None:
    log.append_output("leave-2")
    assert log.violations() == [f"command leave-2 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:0"]


def test_two_rejections_of_one_command_are_found(log: ForgedLog) -> None:
    log.append_rejection("leave-2")
    assert log.violations() == [f"command leave-2 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:1"]


@pytest.mark.parametrize("name", ["InvitationSent", "InvitationExpired", "CoHostLeft"])
def test_a_command_decided_twice_in_a_row_is_found(log: ForgedLog, name: str) -> None:
    log.append_command("twice")
    log.append_output("twice", name)
    log.append_output("twice", name)
    assert log.violations() == [f"command twice of {COMMANDS} has a second outcome, at {EVENTS}:0:5"]


def test_an_invitation_sent_twice_in_a_row_is_found(log: ForgedLog) -> None:
    log.append_command("twice")
    for name in ("InvitationExpired", "InvitationSent", "InvitationSent"):
        log.append_output("twice", name)
    assert log.violations() == [f"command twice of {COMMANDS} has a second outcome, at {EVENTS}:0:6"]


def test_interleaved_events_of_one_command_are_found(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_output("leave-3")
    log.append_output("send-1", "InvitationSent")
    assert log.violations() == [
        f"{EVENTS}:0:5 answers the command at offset 0 after that at 3",
        f"command send-1 of {COMMANDS} has a second outcome, at {EVENTS}:0:5",
    ]


def test_a_week_later_a_command_may_be_decided_again(log: ForgedLog) -> None:
    log.now += 8 * DAY_MS
    log.append_command("leave-2")
    log.append_rejection("leave-2")
    assert log.run_audit() == Report(
        commands=3,
        outcomes=3,
        events=4,
        rejections=3,
        dead_letters=1,
        unchecked=["second outcomes of commands that came back after a week (1)"],
    )


def test_a_second_outcome_within_a_week_is_found_in_a_long_log(log: ForgedLog) -> None:
    log.now += 30 * DAY_MS
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.now += DAY_MS
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    assert log.violations() == [f"command leave-3 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:2"]


def test_a_command_written_once_may_have_only_one_outcome(log: ForgedLog) -> None:
    log.now += 8 * DAY_MS
    log.append_rejection("leave-2")
    assert log.violations() == [f"command leave-2 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:1"]


def test_an_extra_outcome_among_three_in_two_weeks_is_found(log: ForgedLog) -> None:
    for _ in range(2):
        log.now += 8 * DAY_MS
        log.append_command("leave-2")
        log.append_rejection("leave-2")
    log.append_rejection("leave-2")
    assert len(log.violations()) == 3


def test_a_repeat_after_a_week_may_come_from_an_earlier_lane(log: ForgedLog) -> None:
    log.append_command("both", OTHER_ROOM)
    log.append_rejection("both", OTHER_ROOM)
    log.now += 8 * DAY_MS
    log.append_command("both", ROOM)
    log.append_rejection("both", ROOM)
    assert log.violations() == []


def test_a_command_decided_again_after_a_week_keeps_the_order(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.now += 8 * DAY_MS
    log.append_command("leave-2")
    log.append_rejection("leave-2")
    assert log.violations() == []


def test_an_outcome_of_a_deleted_record_may_be_the_first_of_two(log: ForgedLog) -> None:
    log.now += 8 * DAY_MS
    log.append_command("leave-2")
    log.append_rejection("leave-2")
    log.drop_before(topics.INVITATION_COMMANDS, 0, 3)
    assert log.violations() == []


def test_two_outcomes_of_one_day_are_found_in_a_truncated_log(log: ForgedLog) -> None:
    log.now += 8 * DAY_MS
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.append_rejection("leave-3")
    log.drop_before(topics.INVITATION_COMMANDS, 0, 3)
    assert log.violations() == [f"command leave-3 of {COMMANDS} has a second outcome, at {REJECTIONS}:0:2"]


def test_an_outcome_without_a_cause_is_found(log: ForgedLog) -> None:
    log.append_output("nobody")
    log.append_rejection("nothing")
    assert log.violations() == [
        f"{EVENTS}:0:4 has a cause that is not in its lane: nobody",
        f"{REJECTIONS}:0:1 has a cause that is not in its lane: nothing",
    ]


def test_a_fact_applied_twice_is_found(log: ForgedLog) -> None:
    log.append_output("fact-1", "StageChanged")
    assert log.violations() == [f"{EVENTS}:0:4 repeats what fact-1 caused"]


def test_a_fact_written_twice_may_take_effect_twice(log: ForgedLog) -> None:
    log.append_input(topics.ROOMS, "fact-1", "RoomChanged", ROOM, hostId="alice", status="live")
    log.append_output("fact-1", "StageChanged")
    assert log.violations() == []


def test_where_facts_are_compacted_one_may_have_been_written_twice(log: ForgedLog) -> None:
    log.append_input(topics.ROOMS, "fact-2", "RoomChanged", ROOM, hostId="alice", status="live")
    log.append_output("fact-2", "StageChanged")
    log.append_input(topics.ROOMS, "fact-1", "RoomChanged", ROOM, hostId="alice", status="live")
    log.append_output("fact-1", "StageChanged")
    log.records["forged.rooms", 0].pop(0)
    report = log.run_audit()
    assert report.violations == []
    assert report.unchecked == ["repeated effects of facts of which some are not in the log any more (1)"]


def test_a_rejection_of_a_fact_is_found(log: ForgedLog) -> None:
    log.append_rejection("fact-1")
    assert log.violations() == [f"{REJECTIONS}:0:1 is an outcome, but its cause fact-1 is no command"]


@pytest.mark.parametrize("name", ["InvitationResent", "InvitationSeen", "StageArranged"])
def test_only_a_command_renews_an_invitation_or_arranges_the_stage(log: ForgedLog, name: str) -> None:
    log.append_command("renew-1")
    log.append_output("renew-1", name)
    assert log.violations() == []
    log.append_output("fact-1", name)
    assert log.violations() == [f"{EVENTS}:0:5 is an outcome, but its cause fact-1 is no command"]


@pytest.mark.parametrize("name", ["InvitationResent", "InvitationSeen", "StageArranged"])
def test_a_renewal_decided_twice_in_a_row_is_found(log: ForgedLog, name: str) -> None:
    log.append_command("twice")
    log.append_output("twice", name)
    log.append_output("twice", name)
    assert log.violations() == [f"command twice of {COMMANDS} has a second outcome, at {EVENTS}:0:5"]


def test_outcomes_out_of_their_commands_order_are_found(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_command("leave-4")
    log.append_rejection("leave-4")
    log.append_rejection("leave-3")
    assert log.violations() == [f"{REJECTIONS}:0:2 answers the command at offset 3 after that at 4"]


def test_records_deleted_by_retention_are_no_violation(log: ForgedLog) -> None:
    log.drop_before(topics.INVITATION_COMMANDS, 0, 2)
    log.drop_before(topics.INVITATION_EVENTS, 0, 1)
    assert log.run_audit() == Report(
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


def test_a_command_older_than_the_oldest_rejection_may_have_had_one(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.append_command("leave-4")
    log.drop_before(topics.INVITATION_REJECTIONS, 0, 1)
    report = log.run_audit()
    assert report.violations == [f"command leave-4 of {COMMANDS}, offset 4, has no outcome"]
    assert report.unchecked == ["commands whose rejection may be past its retention (1)"]


def test_a_compacted_fact_may_have_been_a_cause(log: ForgedLog) -> None:
    log.records["forged.rooms", 0].pop(0)
    report = log.run_audit()
    assert report.violations == []
    assert report.unchecked == ["events and rejections whose cause is not in the log any more (1)"]


def test_a_repeated_command_keeps_the_place_of_its_first_record(log: ForgedLog) -> None:
    log.append_command("leave-3")
    log.append_command("leave-4")
    log.append_command("leave-3")
    log.append_rejection("leave-3")
    log.append_rejection("leave-4")
    assert log.violations() == []
