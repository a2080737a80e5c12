"""Drift between LiveKit and the stage that a snapshot corrects, and changes it must keep."""

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    invitation_accepted,
    participant,
    participant_joined,
    participant_left,
    room_compared,
    stage_changed,
    time_at,
    track,
)


def connected_script() -> StageScript:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant(mode="absent")(
        participant_joined(co_host_participant())
    )
    script.take_new_events()
    return script


def event_names(script: StageScript) -> list[str]:
    return [type(event).__name__ for event in script.events]


def test_a_matching_snapshot_changes_nothing() -> None:
    script = connected_script()
    before = script.stage
    assert script(room_compared(co_host_participant(), participant("vera"))).stage == before


def test_a_connection_without_a_webhook_is_found() -> None:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant(mode="absent")(
        room_compared(co_host_participant())
    )
    assert event_names(script) == ["GrantProvisioned", "CoHostConnected"]


def test_a_participant_is_gone_only_after_two_snapshots() -> None:
    script = connected_script()(room_compared(look_id="look-1"))
    assert event_names(script) == []
    assert script(room_compared(look_id="look-1")).events == []
    assert event_names(script(room_compared(look_id="look-2"))) == ["CoHostDisconnected"]


def test_a_participant_found_again_does_not_count_as_gone() -> None:
    script = connected_script()(
        room_compared(look_id="look-1"),
        room_compared(co_host_participant(), look_id="look-2"),
        room_compared(look_id="look-3"),
    )
    assert event_names(script) == []


def test_a_missing_livekit_room_has_no_participants() -> None:
    script = connected_script()(
        room_compared(look_id="look-1", room_sid=None), room_compared(look_id="look-2", room_sid=None)
    )
    assert event_names(script) == ["CoHostDisconnected"]


def test_changes_newer_than_the_snapshot_are_kept() -> None:
    script = connected_script()
    changed = script.member_of().presence.changed_at_offset
    before = script.stage
    assert script(room_compared(look_id="look-1", position=changed)).stage == before
    script(participant_left())
    before = script.stage
    assert script(room_compared(co_host_participant(sid="PA_2"), position=changed)).stage == before


def test_drifted_permissions_are_reapplied_without_an_event() -> None:
    script = connected_script()(room_compared(participant()))
    assert script.member_of().is_out_of_sync
    assert script.apply_grant().events == []


def test_permissions_being_applied_are_not_applied_twice() -> None:
    script = connected_script()
    version = script.member_of().desired_version
    script(participant_joined(participant(sid="PA_2")))
    assert script.member_of().desired_version == version + 1
    assert script(room_compared(participant(sid="PA_2"))).member_of().desired_version == version + 1


def test_a_desired_state_newer_than_the_snapshot_is_kept() -> None:
    script = connected_script()
    version = script.member_of().desired_version
    assert script(room_compared(participant(), version=version - 1)).member_of().desired_version == version


def test_an_intruder_without_a_webhook_is_found() -> None:
    script = StageScript()(stage_changed(), room_compared(co_host_participant("mallory"))).apply_grant(
        "mallory"
    )
    assert script.events == [
        events.IntruderRemoved(
            room_id=ROOM, identity="mallory", user_id="mallory", action="demoted", at=time_at(3)
        )
    ]


def test_a_former_co_host_in_an_old_snapshot_is_not_an_intruder() -> None:
    script = connected_script()
    assert script.stage is not None
    look = room_compared(co_host_participant(), version=script.stage.room.latest_version)
    script(co_host_left()).apply_grant()
    assert script(look).member_of().suspect
    assert event_names(script.apply_grant(mode="clean")) == ["GrantRevoked"]


def test_a_host_without_the_hosts_permissions_gets_them() -> None:
    script = StageScript()(stage_changed(), room_compared(participant(HOST)))
    assert script.member_of(HOST).is_out_of_sync
    script.take_new_events()
    assert script.apply_grant(HOST).events == []


def test_a_host_with_the_hosts_permissions_is_left_alone() -> None:
    host = participant(HOST, permissions=permissions.for_badge("host"), badge="host")
    assert not StageScript()(stage_changed(), room_compared(host)).member_of(HOST).is_out_of_sync


def test_a_livekit_room_finished_after_the_snapshot_stays_finished() -> None:
    script = connected_script()
    script(signals.RoomFinished(room_id=ROOM, room_sid="RM_1"))
    assert script.stage is not None
    finished = script.stage.room
    look = room_compared(version=finished.latest_version, position=finished.room_sid_offset)
    assert script(look).stage.room == finished
    later = room_compared(version=finished.latest_version, position=finished.room_sid_offset + 1)
    assert script(later).stage.room.room_sid == "RM_1"


def test_tracks_are_copied_from_the_snapshot() -> None:
    script = connected_script()(room_compared(co_host_participant(tracks=(track(muted=True),))))
    assert script.member_of().presence.tracks == (track(muted=True),)


def test_a_livekit_room_of_a_closed_room_is_deleted_again() -> None:
    script = connected_script()(
        stage_changed("ended"), co_host_left(reason="room_ended")
    ).delete_livekit_room()
    assert script.stage is not None
    before = script.stage
    version = before.room.latest_version
    assert script(room_compared(room_sid=None, version=version)).stage == before
    assert script(room_compared(version=version - 1)).stage == before
    script(room_compared(version=version))
    assert script.stage.room.deletion_version == version + 1
