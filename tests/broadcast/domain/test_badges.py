"""Badges: a co-host's from the seat to its end, the host's while the room is open."""

from cohost_schemas.events import BadgeChanged
from services.broadcast.domain import badges
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    invitation_accepted,
    mute_command,
    stage_changed,
    time_at,
)


def test_the_host_wears_a_badge_while_the_room_is_open() -> None:
    script = StageScript()(
        stage_changed("idle"), stage_changed("live"), stage_changed("ended"), stage_changed("idle")
    )
    assert script.badge_changes == [(HOST, "host"), (HOST, None), (HOST, "host")]


def test_a_room_that_was_never_open_has_no_badges() -> None:
    assert StageScript()(stage_changed("ended")).badge_changes == []


def test_a_co_host_wears_a_badge_from_seat_to_its_end() -> None:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()(co_host_left()).apply_grant()
    assert script.badge_changes == [(HOST, "host"), ("bob", "coHost"), ("bob", None)]


def test_a_co_host_keeps_the_badge_until_the_closing_reaches_the_seat() -> None:
    script = StageScript()(stage_changed(), invitation_accepted(), stage_changed("ended"))
    assert script.badge_changes[2:] == [(HOST, None)]
    assert script(co_host_left(reason="room_ended")).badge_changes[3:] == [("bob", None)]


def test_a_co_host_who_becomes_host_changes_the_badge_in_place() -> None:
    script = StageScript()(
        stage_changed(), invitation_accepted(), stage_changed(host="bob"), co_host_left(reason="became_host")
    )
    assert script.badge_changes == [(HOST, "host"), ("bob", "coHost"), (HOST, None), ("bob", "host")]


def test_the_badges_since_stays_at_the_start_of_the_seat() -> None:
    script = StageScript()(stage_changed(), invitation_accepted())
    before = script.stage
    script(mute_command(hard=True)).apply_grant()
    assert badges.badge_changes(before, script.stage) == []  # type: ignore[arg-type]
    worn = badges.badge_changes(None, script.stage)  # type: ignore[arg-type]
    assert worn == [
        (
            "bob",
            BadgeChanged(
                room_id=ROOM, user_id="bob", badge="coHost", invitation_id="invitation-1", since=time_at(0)
            ),
        ),
        (HOST, BadgeChanged(room_id=ROOM, user_id=HOST, badge="host", since=time_at(1))),
    ]
