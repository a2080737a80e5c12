"""Seats become LiveKit permissions and their ends revoke them: one event each, in every order of records."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from tests.broadcast.scenes import (
    HOST,
    ROOM,
    Play,
    accepted,
    applied,
    at,
    co_host,
    gone,
    joined,
    left,
    mute,
    participant,
    provisioned,
    revoked,
    stage_changed,
)


def seated() -> Play:
    return Play()(stage_changed(), accepted())


def failure() -> events.GrantFailed:
    return events.GrantFailed(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        error="no answer",
        attempts=1,
        retryable=True,
    )


def test_a_connected_viewer_is_promoted_in_place() -> None:
    assert seated().applied().told == [provisioned(second=3)]


def test_an_absent_invitee_gets_the_grant_on_join() -> None:
    assert seated().applied(mode="absent").told == [provisioned("on_join", second=3)]


def test_applying_again_is_silent() -> None:
    script = seated().applied()
    again = script.told[:]
    script(joined(participant())).applied().applied()
    assert [type(event) for event in script.told] == [type(again[0]), events.CoHostConnected]


def test_a_late_result_for_an_older_version_publishes_nothing() -> None:
    script = seated()
    late = applied(script.member().desired_version)
    script(left(), late)
    assert script.told == []
    assert script.member().pending_revocations != ()


@pytest.mark.parametrize(
    ("mode", "published_mode"), [("in_place", "in_place"), ("absent", "absent"), ("removed", "absent")]
)
def test_a_seat_that_ends_loses_its_permissions(mode: Any, published_mode: str) -> None:
    script = seated().applied()
    script.since()
    script(left(reason="removed_by_host")).applied(mode=mode)
    assert script.told == [revoked(5, published_mode, "removed_by_host")]
    assert "bob" not in script.stage.members  # type: ignore[union-attr]


def test_a_seat_ended_before_provisioning_is_only_revoked() -> None:
    assert seated()(left()).applied().told == [revoked(4)]


def test_a_user_reseated_before_revocation_gets_both_events() -> None:
    script = seated().applied()
    script.since()
    script(left(), accepted(invitation_id="invitation-2")).applied()
    assert script.told == [revoked(6), provisioned(invitation_id="invitation-2", second=6)]


def test_the_end_of_another_seat_changes_nothing() -> None:
    script = seated()
    before = script.stage
    assert script(left(invitation_id="invitation-0")).stage == before


def test_deleting_the_room_revokes_every_permission() -> None:
    script = seated()(accepted("carol", "invitation-2")).applied().applied("carol")
    script.since()
    script(
        stage_changed("ended"),
        left(reason="room_ended"),
        left("carol", "invitation-2", "room_ended"),
    ).deleted()
    assert script.told == [
        revoked(9, "room_deleted", "room_ended"),
        revoked(9, "room_deleted", "room_ended", user_id="carol", invitation_id="invitation-2"),
    ]


def test_a_pending_revocation_is_done_by_the_room_deletion() -> None:
    script = seated()(left(), stage_changed("ended")).deleted()
    assert script.told == [revoked(5, "room_deleted")]


def test_a_seat_ending_after_the_room_deletion_is_revoked_at_once() -> None:
    script = seated()(stage_changed("ended")).deleted()(left(reason="room_ended"))
    assert script.told == [revoked(5, "room_deleted", "room_ended")]


def test_an_earlier_closings_deletion_does_not_confirm_a_later_one() -> None:
    script = seated()(stage_changed("ended"))
    early = script.stage.room.deletion_version  # type: ignore[union-attr]
    script(left(reason="room_ended"), stage_changed("live"), stage_changed("ended"))
    script(signals.RoomDeleted(room_id=ROOM, version=early or 0))
    assert script.told == []
    assert script.deleted().told == [revoked(8, "room_deleted", "room_ended")]


def test_a_room_that_opens_again_starts_with_an_empty_stage() -> None:
    script = seated()(stage_changed("ended"), left(reason="room_ended")).deleted()(stage_changed("live"))
    assert script.stage is not None
    assert (script.stage.members, script.stage.room.is_open) == ({}, True)


def test_a_co_host_who_becomes_host_keeps_the_permissions() -> None:
    script = seated().applied()
    script.since()
    script(stage_changed(host="bob"), left(reason="became_host")).applied().applied(HOST)
    assert script.told == []
    assert script.stage.badge_of("bob") == "host"  # type: ignore[union-attr]


def test_a_former_host_becomes_a_viewer_without_an_event() -> None:
    script = Play()(
        stage_changed(), joined(participant(HOST, permissions=permissions.for_badge("host"), badge="host"))
    )
    script(stage_changed(host="carol"))
    assert permissions.desired_for(script.stage, HOST) == permissions.VIEWER  # type: ignore[arg-type]
    assert script.applied(HOST).told == []
    assert HOST not in script.stage.members  # type: ignore[union-attr]


def test_a_host_gets_no_grant_or_connection_events() -> None:
    script = Play()(stage_changed(), joined(participant(HOST))).applied(HOST)
    assert script.told == []


def test_a_failure_is_published_once_per_run() -> None:
    script = seated().fail_grant_call().fail_grant_call()
    assert script.told == [failure()]
    assert script.applied().told[1:] == [provisioned(second=5)]
    script.since()
    script(left()).fail_grant_call()
    assert script.told == [failure()]


def test_a_failure_that_outlasts_the_seat_is_the_same_run() -> None:
    script = seated().fail_grant_call()(left()).fail_grant_call().applied(mode="absent")
    assert script.told == [failure(), revoked(6, "absent")]


def test_a_new_seat_has_its_own_run_of_failures() -> None:
    script = seated().fail_grant_call()(left(), accepted(invitation_id="invitation-2")).fail_grant_call()
    assert [event.invitation_id for event in script.told if isinstance(event, events.GrantFailed)] == [
        "invitation-1",
        "invitation-2",
    ]


def test_a_user_promoted_while_connected_counts_as_connected() -> None:
    script = seated().applied(participant=co_host())
    connected = events.CoHostConnected(room_id=ROOM, user_id="bob", invitation_id="invitation-1", at=at(3))
    assert script.told == [provisioned(second=3), connected]


def test_a_repeated_call_result_does_not_reconnect_a_co_host() -> None:
    script = seated()
    report = applied(script.member().desired_version).model_copy(update={"participant": co_host()})
    script(report, gone(), joined(co_host(sid="PA_2")), gone(sid="PA_2"))
    before = script.stage
    assert script(report).stage == before


def test_a_grant_excludes_hard_muted_sources() -> None:
    script = seated()(mute(hard=True)).applied()
    without = permissions.for_badge("coHost", ["microphone"])
    assert script.told[1:] == [provisioned(second=4, permissions=without)]


def test_records_of_an_unknown_room_are_ignored() -> None:
    script = Play()
    assert script.decide(accepted()) is None
    assert script.decide(left()) is None
    assert script.decide(joined(co_host())) is None
