"""The mute commands: permitted actors, events and one-off actions."""

import pytest

from cohost_schemas import events, signals
from cohost_schemas.events import CoHostMuted, CoHostUnmuteRequested
from cohost_schemas.types import MuteSource, TrackSource
from services.broadcast.domain import permissions
from services.broadcast.domain.state import OneOffAction
from tests.broadcast.domain.stage_builder import (
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    invitation_accepted,
    media_changed,
    mute_command,
    participant_joined,
    stage_changed,
    time_at,
    track,
    track_published,
    unmute_command,
)


def seated_script() -> StageScript:
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()
    script.take_new_events()
    return script


def co_host_muted(*, hard: bool = False, by: str = "alice") -> CoHostMuted:
    return CoHostMuted(room_id=ROOM, user_id="bob", source="microphone", hard=hard, by=by)


REQUESTED = CoHostUnmuteRequested(room_id=ROOM, user_id="bob", source="microphone", by="alice")


@pytest.mark.parametrize("command", [mute_command(), mute_command(hard=True), unmute_command()])
def test_an_unknown_room_is_not_found(command: object) -> None:
    assert StageScript().decide_record(command) == "room_not_found"


@pytest.mark.parametrize(
    "command", [mute_command(), mute_command(actor="mallory", hard=True), unmute_command()]
)
def test_a_user_without_a_seat_is_not_a_co_host(command: object) -> None:
    assert StageScript()(stage_changed()).decide_record(command) == "not_co_host"


@pytest.mark.parametrize("command", [mute_command(), unmute_command()])
def test_a_closed_room_has_no_co_hosts(command: object) -> None:
    assert seated_script()(stage_changed("ended")).decide_record(command) == "not_co_host"


@pytest.mark.parametrize(
    "command",
    [
        mute_command(actor="mallory"),
        mute_command(actor="bob", hard=True),
        unmute_command(actor="bob"),
        unmute_command(actor="mallory"),
    ],
)
def test_only_the_host_may_mute_except_soft_mutes_of_oneself(command: object) -> None:
    assert seated_script().decide_record(command) == "not_room_host"


def test_a_soft_mute_is_a_one_off_action() -> None:
    script = seated_script()
    assert script.decide_record(mute_command(), "command-1").events == (co_host_muted(),)
    assert script.member_of().actions == (
        OneOffAction("command-1", "mute", "microphone", "alice", time_at(4)),
    )
    assert script.member_of().seat.hard_muted == ()  # type: ignore[union-attr]


def test_a_co_host_may_mute_itself_softly() -> None:
    assert seated_script().decide_record(mute_command(actor="bob")).events == (co_host_muted(by="bob"),)


def test_a_hard_mute_takes_the_source_from_the_grant() -> None:
    script = seated_script()
    assert script.decide_record(mute_command(hard=True)).events == (co_host_muted(hard=True),)
    assert script.member_of().is_out_of_sync
    assert permissions.desired_for(script.stage, "bob") == permissions.for_badge("coHost", ["microphone"])  # type: ignore[arg-type]


@pytest.mark.parametrize("hard", [True, False])
def test_muting_a_hard_muted_source_changes_nothing(*, hard: bool) -> None:
    script = seated_script()(mute_command(hard=True)).apply_grant()
    before = script.stage
    assert script.decide_record(mute_command(hard=hard)).events == (co_host_muted(hard=hard),)
    assert script.stage == before


def test_unmuting_gives_the_source_back_and_asks() -> None:
    script = seated_script()(mute_command(hard=True)).apply_grant()
    assert script.decide_record(unmute_command(), "command-2").events == (REQUESTED,)
    assert script.member_of().actions == (
        OneOffAction("command-2", "request_unmute", "microphone", "alice", time_at(6)),
    )
    assert permissions.desired_for(script.stage, "bob") == permissions.for_badge("coHost")  # type: ignore[arg-type]


def test_unmuting_without_a_hard_mute_only_asks() -> None:
    script = seated_script()
    version = script.member_of().desired_version
    assert script.decide_record(unmute_command()).events == (REQUESTED,)
    assert script.member_of().desired_version == version


def test_a_completed_action_is_removed_and_updates_the_tracks() -> None:
    script = seated_script()(participant_joined(co_host_participant()), track_published())
    script.decide_record(mute_command(), "command-1")
    silent = co_host_participant(tracks=(track(muted=True),))
    completed = signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=silent)
    script(completed)
    after = script.stage
    assert (script.member_of().actions, script.member_of().presence.tracks) == ((), (track(muted=True),))
    assert script(completed).stage == after


def test_tracks_published_during_an_action_are_kept() -> None:
    script = seated_script()(participant_joined(co_host_participant()), track_published())
    script.decide_record(mute_command(), "command-1")
    script(track_published(track=track("TR_2", "camera")))
    silent = co_host_participant(tracks=(track(muted=True), track("TR_0", muted=True)))
    script(signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=silent))
    assert script.member_of().presence.tracks == (track(muted=True), track("TR_2", "camera"))


def test_equal_pending_actions_are_reduced_to_the_last() -> None:
    script = seated_script()
    for number, command in enumerate(
        [mute_command(), unmute_command(), mute_command(source="camera"), mute_command()]
    ):
        script.decide_record(command, f"command-{number}")
    assert [errand.command_id for errand in script.member_of().actions] == [
        "command-1",
        "command-2",
        "command-3",
    ]


def test_pending_actions_end_with_the_seat() -> None:
    assert seated_script()(mute_command(), co_host_left()).member_of().actions == ()


def test_a_hard_mute_ends_with_the_seat() -> None:
    script = seated_script()(
        mute_command(hard=True), co_host_left(), invitation_accepted(invitation_id="invitation-2")
    )
    assert script.member_of().seat.hard_muted == ()  # type: ignore[union-attr]


def test_a_new_track_of_a_muted_source_reapplies_the_grant() -> None:
    script = seated_script()(participant_joined(co_host_participant()), mute_command(hard=True)).apply_grant()
    assert not script.member_of().is_out_of_sync
    assert script(track_published()).member_of().is_out_of_sync
    assert script.events[-1] == media_changed(7, ("microphone",))


@pytest.mark.parametrize(
    ("source", "left_over"),
    [
        ("microphone", ("camera", "screen_share", "screen_share_audio")),
        ("camera", ("microphone", "screen_share", "screen_share_audio")),
        ("screen_share", ("camera", "microphone")),
    ],
)
def test_screen_share_includes_its_audio(source: MuteSource, left_over: tuple[TrackSource, ...]) -> None:
    expected = events.Permissions(
        can_publish=True, can_publish_data=True, can_subscribe=True, can_publish_sources=left_over
    )
    assert permissions.for_badge("coHost", [source]) == expected


def test_no_remaining_source_means_no_publishing() -> None:
    expected = events.Permissions(
        can_publish=False, can_publish_data=True, can_subscribe=True, can_publish_sources=()
    )
    assert permissions.for_badge("coHost", ["microphone", "camera", "screen_share"]) == expected
