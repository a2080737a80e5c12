"""Drift between LiveKit and the stage that a snapshot corrects, and changes it must keep."""

from cohost_schemas import events, signals
from services.broadcast.domain import permissions
from tests.broadcast.scenes import (
    HOST,
    ROOM,
    Play,
    accepted,
    at,
    co_host,
    compared,
    gone,
    joined,
    left,
    participant,
    stage_changed,
    track,
)


def connected() -> Play:
    script = Play()(stage_changed(), accepted()).applied(mode="absent")(joined(co_host()))
    script.since()
    return script


def names(script: Play) -> list[str]:
    return [type(event).__name__ for event in script.told]


def test_a_matching_snapshot_changes_nothing() -> None:
    script = connected()
    before = script.stage
    assert script(compared(co_host(), participant("vera"))).stage == before


def test_a_connection_without_a_webhook_is_found() -> None:
    script = Play()(stage_changed(), accepted()).applied(mode="absent")(compared(co_host()))
    assert names(script) == ["GrantProvisioned", "CoHostConnected"]


def test_a_participant_is_gone_only_after_two_snapshots() -> None:
    script = connected()(compared(look="look-1"))
    assert names(script) == []
    assert script(compared(look="look-1")).told == []
    assert names(script(compared(look="look-2"))) == ["CoHostDisconnected"]


def test_a_participant_found_again_does_not_count_as_gone() -> None:
    script = connected()(compared(look="look-1"), compared(co_host(), look="look-2"), compared(look="look-3"))
    assert names(script) == []


def test_a_missing_livekit_room_has_no_participants() -> None:
    script = connected()(compared(look="look-1", room_sid=None), compared(look="look-2", room_sid=None))
    assert names(script) == ["CoHostDisconnected"]


def test_changes_newer_than_the_snapshot_are_kept() -> None:
    script = connected()
    changed = script.member().presence.changed_at_offset
    before = script.stage
    assert script(compared(look="look-1", position=changed)).stage == before
    script(gone())
    before = script.stage
    assert script(compared(co_host(sid="PA_2"), position=changed)).stage == before


def test_drifted_permissions_are_reapplied_without_an_event() -> None:
    script = connected()(compared(participant()))
    assert script.member().is_out_of_sync
    assert script.applied().told == []


def test_permissions_being_applied_are_not_applied_twice() -> None:
    script = connected()
    version = script.member().desired_version
    script(joined(participant(sid="PA_2")))
    assert script.member().desired_version == version + 1
    assert script(compared(participant(sid="PA_2"))).member().desired_version == version + 1


def test_a_desired_state_newer_than_the_snapshot_is_kept() -> None:
    script = connected()
    version = script.member().desired_version
    assert script(compared(participant(), version=version - 1)).member().desired_version == version


def test_an_intruder_without_a_webhook_is_found() -> None:
    script = Play()(stage_changed(), compared(co_host("mallory"))).applied("mallory")
    assert script.told == [
        events.IntruderRemoved(room_id=ROOM, user_id="mallory", action="demoted", at=at(3))
    ]


def test_a_former_co_host_in_an_old_snapshot_is_not_an_intruder() -> None:
    script = connected()
    assert script.stage is not None
    look = compared(co_host(), version=script.stage.room.latest_version)
    script(left()).applied()
    assert script(look).member().suspect
    assert names(script.applied(mode="clean")) == ["GrantRevoked"]


def test_a_host_without_the_hosts_permissions_gets_them() -> None:
    script = Play()(stage_changed(), compared(participant(HOST)))
    assert script.member(HOST).is_out_of_sync
    assert script.applied(HOST).told == []


def test_a_host_with_the_hosts_permissions_is_left_alone() -> None:
    host = participant(HOST, permissions=permissions.for_badge("host"), badge="host")
    assert not Play()(stage_changed(), compared(host)).member(HOST).is_out_of_sync


def test_a_livekit_room_finished_after_the_snapshot_stays_finished() -> None:
    script = connected()
    script(signals.RoomFinished(room_id=ROOM, room_sid="RM_1"))
    assert script.stage is not None
    finished = script.stage.room
    look = compared(version=finished.latest_version, position=finished.room_sid_offset)
    assert script(look).stage.room == finished
    later = compared(version=finished.latest_version, position=finished.room_sid_offset + 1)
    assert script(later).stage.room.room_sid == "RM_1"


def test_tracks_are_copied_from_the_snapshot() -> None:
    script = connected()(compared(co_host(tracks=(track(muted=True),))))
    assert script.member().presence.tracks == (track(muted=True),)


def test_a_livekit_room_of_a_closed_room_is_deleted_again() -> None:
    script = connected()(stage_changed("ended"), left(reason="room_ended")).deleted()
    assert script.stage is not None
    before = script.stage
    version = before.room.latest_version
    assert script(compared(room_sid=None, version=version)).stage == before
    assert script(compared(version=version - 1)).stage == before
    script(compared(version=version))
    assert script.stage.room.deletion_version == version + 1
