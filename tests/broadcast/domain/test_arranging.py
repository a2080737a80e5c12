"""The speaking order of a stage: labels and places of the seats, and the stage as HTTP shows it."""

from dataclasses import replace

from cohost_schemas import events
from services.broadcast.domain.state import Seat
from services.broadcast.http.routes import stage_items
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    invitation_accepted,
    stage_changed,
    time_at,
)

USERS = ("carol", "bob", "dave")


def stage_arranged(*users: str) -> events.StageArranged:
    return events.StageArranged(room_id=ROOM, user_ids=users, arranged_by=HOST, arranged_at=time_at(0))


def labelled(user: str, label: str) -> events.InvitationAccepted:
    return invitation_accepted(user, f"{user}-1").model_copy(update={"label": label})


def open_stage() -> StageScript:
    return StageScript()(stage_changed(), *(labelled(user, user.upper()) for user in USERS))


def shown_order(script: StageScript) -> list[tuple[str, int, str | None]]:
    assert script.stage is not None
    return [(item.user_id, item.order, item.label) for item in stage_items(script.stage)]


def expected_order(*users: str) -> list[tuple[str, int, str | None]]:
    return [(HOST, 0, None), *((user, order, user.upper()) for order, user in enumerate(users, 1))]


def test_the_host_is_first_and_new_seats_come_last() -> None:
    assert shown_order(open_stage()) == expected_order("carol", "bob", "dave")


def test_an_arranged_stage_has_the_order_of_the_event() -> None:
    script = open_stage()(stage_arranged("dave", "carol", "bob"))
    assert shown_order(script) == expected_order("dave", "carol", "bob")
    assert script.take_new_events() == []
    assert script(stage_arranged("dave", "carol", "bob")).member_of("dave").seat == Seat(
        "dave-1", time_at(0), label="DAVE", place=1
    )


def test_the_order_has_no_gap_and_a_returning_co_host_is_last() -> None:
    script = open_stage()(stage_arranged("dave", "carol", "bob"), co_host_left("carol", "carol-1"))
    assert shown_order(script) == expected_order("dave", "bob")
    script(labelled("erin", "ERIN"), labelled("carol", "CAROL"))
    assert shown_order(script) == expected_order("dave", "bob", "erin", "carol")


def test_arranging_changes_no_rights() -> None:
    script = open_stage()
    assert script.stage is not None
    versions = {user: script.member_of(user).desired_version for user in USERS}
    script(stage_arranged("dave", "carol", "bob"))
    assert {user: script.member_of(user).desired_version for user in USERS} == versions
    assert script.badge_changes == [(HOST, "host"), *((user, "coHost") for user in USERS)]


def test_a_room_that_is_unknown_has_no_order() -> None:
    script = StageScript()
    assert script.decide_record(stage_arranged("bob")) is None


def test_the_seats_of_an_older_version_come_first_by_age() -> None:
    script = open_stage()
    assert script.stage is not None
    older = {"carol": time_at(3), "bob": time_at(2)}
    for user, since in older.items():
        member = replace(script.member_of(user), seat=Seat(f"{user}-1", since))
        script.stage = script.stage.with_members(member)
    assert [user for user, *_ in shown_order(script)] == [HOST, "bob", "carol", "dave"]
