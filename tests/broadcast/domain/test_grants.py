"""Seats become LiveKit permissions and their ends revoke them: one event each, in every order of records."""

from typing import Any

import pytest

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    grant_applied,
    grant_provisioned,
    grant_revoked,
    invitation_accepted,
    mute_command,
    participant,
    participant_joined,
    participant_left,
    stage_changed,
    time_at,
)


def seated_script() -> StageScript:
    return StageScript()(stage_changed(), invitation_accepted())


def grant_failed() -> events.GrantFailed:
    return events.GrantFailed(
        room_id=ROOM,
        user_id="bob",
        invitation_id="invitation-1",
        error="no answer",
        attempts=1,
        retryable=True,
    )


def test_a_connected_viewer_is_promoted_in_place() -> None:
    assert seated_script().apply_grant().events == [grant_provisioned(second=3)]


def test_an_absent_invitee_gets_the_grant_on_join() -> None:
    assert seated_script().apply_grant(mode="absent").events == [grant_provisioned("on_join", second=3)]


def test_applying_again_is_silent() -> None:
    script = seated_script().apply_grant()
    again = script.events[:]
    script(participant_joined(participant())).apply_grant().apply_grant()
    assert [type(event) for event in script.events] == [type(again[0]), events.CoHostConnected]


def test_a_late_result_for_an_older_version_publishes_nothing() -> None:
    script = seated_script()
    late = grant_applied(script.member_of().desired_version)
    script(co_host_left(), late)
    assert script.events == []
    assert script.member_of().pending_revocations != ()


@pytest.mark.parametrize(
    ("mode", "published_mode"), [("in_place", "in_place"), ("absent", "absent"), ("removed", "absent")]
)
def test_a_seat_that_ends_loses_its_permissions(mode: Any, published_mode: str) -> None:
    script = seated_script().apply_grant()
    script.take_new_events()
    script(co_host_left(reason="removed_by_host")).apply_grant(mode=mode)
    assert script.events == [grant_revoked(5, published_mode, "removed_by_host")]
    assert "bob" not in script.stage.members  # type: ignore[union-attr]


def test_a_seat_ended_before_provisioning_is_only_revoked() -> None:
    assert seated_script()(co_host_left()).apply_grant().events == [grant_revoked(4)]


def test_a_user_reseated_before_revocation_gets_both_events() -> None:
    script = seated_script().apply_grant()
    script.take_new_events()
    script(co_host_left(), invitation_accepted(invitation_id="invitation-2")).apply_grant()
    assert script.events == [grant_revoked(6), grant_provisioned(invitation_id="invitation-2", second=6)]


def test_the_end_of_another_seat_changes_nothing() -> None:
    script = seated_script()
    before = script.stage
    assert script(co_host_left(invitation_id="invitation-0")).stage == before


def test_deleting_the_room_revokes_every_permission() -> None:
    script = seated_script()(invitation_accepted("carol", "invitation-2")).apply_grant().apply_grant("carol")
    script.take_new_events()
    script(
        stage_changed("ended"),
        co_host_left(reason="room_ended"),
        co_host_left("carol", "invitation-2", "room_ended"),
    ).delete_livekit_room()
    assert script.events == [
        grant_revoked(9, "room_deleted", "room_ended"),
        grant_revoked(9, "room_deleted", "room_ended", user_id="carol", invitation_id="invitation-2"),
    ]


def test_a_pending_revocation_is_done_by_the_room_deletion() -> None:
    script = seated_script()(co_host_left(), stage_changed("ended")).delete_livekit_room()
    assert script.events == [grant_revoked(5, "room_deleted")]


def test_a_seat_ending_after_the_room_deletion_is_revoked_at_once() -> None:
    script = seated_script()(stage_changed("ended")).delete_livekit_room()(co_host_left(reason="room_ended"))
    assert script.events == [grant_revoked(5, "room_deleted", "room_ended")]


def test_an_earlier_closings_deletion_does_not_confirm_a_later_one() -> None:
    script = seated_script()(stage_changed("ended"))
    early = script.stage.room.deletion_version  # type: ignore[union-attr]
    script(co_host_left(reason="room_ended"), stage_changed("live"), stage_changed("ended"))
    script(signals.RoomDeleted(room_id=ROOM, version=early or 0))
    assert script.events == []
    assert script.delete_livekit_room().events == [grant_revoked(8, "room_deleted", "room_ended")]


def test_a_room_that_opens_again_starts_with_an_empty_stage() -> None:
    script = seated_script()(stage_changed("ended"), co_host_left(reason="room_ended")).delete_livekit_room()(
        stage_changed("live")
    )
    assert script.stage is not None
    assert (script.stage.members, script.stage.room.is_open) == ({}, True)


def test_a_co_host_who_becomes_host_keeps_the_permissions() -> None:
    script = seated_script().apply_grant()
    script.take_new_events()
    script(stage_changed(host="bob"), co_host_left(reason="became_host")).apply_grant().apply_grant(HOST)
    assert script.events == []
    assert script.stage.badge_of("bob") == "host"  # type: ignore[union-attr]


def test_a_former_host_becomes_a_viewer_without_an_event() -> None:
    script = StageScript()(
        stage_changed(),
        participant_joined(participant(HOST, permissions=permissions.for_badge("host"), badge="host")),
    )
    script(stage_changed(host="carol"))
    assert permissions.desired_for(script.stage, HOST) == permissions.VIEWER  # type: ignore[arg-type]
    script.take_new_events()
    assert script.apply_grant(HOST).events == []
    assert HOST not in script.stage.members  # type: ignore[union-attr]


def test_a_host_gets_no_grant_events() -> None:
    script = StageScript()(stage_changed(), participant_joined(participant(HOST)))
    script.take_new_events()
    assert script.apply_grant(HOST).events == []


def test_a_failure_is_published_once_per_run() -> None:
    script = seated_script().fail_grant_call().fail_grant_call()
    assert script.events == [grant_failed()]
    assert script.apply_grant().events[1:] == [grant_provisioned(second=5)]
    script.take_new_events()
    script(co_host_left()).fail_grant_call()
    assert script.events == [grant_failed()]


def test_a_failure_that_outlasts_the_seat_is_the_same_run() -> None:
    script = seated_script().fail_grant_call()(co_host_left()).fail_grant_call().apply_grant(mode="absent")
    assert script.events == [grant_failed(), grant_revoked(6, "absent")]


def test_a_new_seat_has_its_own_run_of_failures() -> None:
    script = (
        seated_script()
        .fail_grant_call()(co_host_left(), invitation_accepted(invitation_id="invitation-2"))
        .fail_grant_call()
    )
    assert [event.invitation_id for event in script.events if isinstance(event, events.GrantFailed)] == [
        "invitation-1",
        "invitation-2",
    ]


def test_a_user_promoted_while_connected_counts_as_connected() -> None:
    script = seated_script().apply_grant(participant=co_host_participant())
    connected = events.CoHostConnected(
        room_id=ROOM, user_id="bob", invitation_id="invitation-1", at=time_at(3)
    )
    assert script.events == [grant_provisioned(second=3), connected]


def test_a_repeated_call_result_does_not_reconnect_a_co_host() -> None:
    script = seated_script()
    report = grant_applied(script.member_of().desired_version).model_copy(
        update={"participant": co_host_participant()}
    )
    script(
        report,
        participant_left(),
        participant_joined(co_host_participant(sid="PA_2")),
        participant_left(sid="PA_2"),
    )
    before = script.stage
    assert script(report).stage == before


def test_a_grant_excludes_hard_muted_sources() -> None:
    script = seated_script()(mute_command(hard=True)).apply_grant()
    without = permissions.for_badge("coHost", ["microphone"])
    assert script.events[1:] == [grant_provisioned(second=4, permissions=without)]


def test_records_of_an_unknown_room_are_ignored() -> None:
    script = StageScript()
    assert script.decide_record(invitation_accepted()) is None
    assert script.decide_record(co_host_left()) is None
    assert script.decide_record(participant_joined(co_host_participant())) is None
