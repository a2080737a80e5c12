"""The mute commands: permitted actors, events and one-off actions."""

import pytest

from cohost_schemas import events, signals
from cohost_schemas.events import CoHostMuted, CoHostUnmuteRequested
from cohost_schemas.types import MuteSource, TrackSource
from services.broadcast.domain import permissions
from services.broadcast.domain.state import OneOffAction
from tests.broadcast.scenes import (
    ROOM,
    Play,
    accepted,
    at,
    co_host,
    joined,
    left,
    mute,
    published,
    stage_changed,
    track,
    unmute,
)


def seated() -> Play:
    script = Play()(stage_changed(), accepted()).applied()
    script.since()
    return script


def muted(*, hard: bool = False, by: str = "alice") -> CoHostMuted:
    return CoHostMuted(room_id=ROOM, user_id="bob", source="microphone", hard=hard, by=by)


REQUESTED = CoHostUnmuteRequested(room_id=ROOM, user_id="bob", source="microphone", by="alice")


@pytest.mark.parametrize("command", [mute(), mute(hard=True), unmute()])
def test_an_unknown_room_is_not_found(command: object) -> None:
    assert Play().decide(command) == "room_not_found"


@pytest.mark.parametrize("command", [mute(), mute(actor="mallory", hard=True), unmute()])
def test_a_user_without_a_seat_is_not_a_co_host(command: object) -> None:
    assert Play()(stage_changed()).decide(command) == "not_co_host"


@pytest.mark.parametrize("command", [mute(), unmute()])
def test_a_closed_room_has_no_co_hosts(command: object) -> None:
    assert seated()(stage_changed("ended")).decide(command) == "not_co_host"


@pytest.mark.parametrize(
    "command",
    [mute(actor="mallory"), mute(actor="bob", hard=True), unmute(actor="bob"), unmute(actor="mallory")],
)
def test_only_the_host_may_mute_except_soft_mutes_of_oneself(command: object) -> None:
    assert seated().decide(command) == "not_room_host"


def test_a_soft_mute_is_a_one_off_action() -> None:
    script = seated()
    assert script.decide(mute(), "command-1").events == (muted(),)
    assert script.member().actions == (OneOffAction("command-1", "mute", "microphone", "alice", at(4)),)
    assert script.member().seat.hard_muted == ()  # type: ignore[union-attr]


def test_a_co_host_may_mute_itself_softly() -> None:
    assert seated().decide(mute(actor="bob")).events == (muted(by="bob"),)


def test_a_hard_mute_takes_the_source_from_the_grant() -> None:
    script = seated()
    assert script.decide(mute(hard=True)).events == (muted(hard=True),)
    assert script.member().is_out_of_sync
    assert permissions.desired_for(script.stage, "bob") == permissions.for_badge("coHost", ["microphone"])  # type: ignore[arg-type]


@pytest.mark.parametrize("hard", [True, False])
def test_muting_a_hard_muted_source_changes_nothing(*, hard: bool) -> None:
    script = seated()(mute(hard=True)).applied()
    before = script.stage
    assert script.decide(mute(hard=hard)).events == (muted(hard=hard),)
    assert script.stage == before


def test_unmuting_gives_the_source_back_and_asks() -> None:
    script = seated()(mute(hard=True)).applied()
    assert script.decide(unmute(), "command-2").events == (REQUESTED,)
    assert script.member().actions == (
        OneOffAction("command-2", "request_unmute", "microphone", "alice", at(6)),
    )
    assert permissions.desired_for(script.stage, "bob") == permissions.for_badge("coHost")  # type: ignore[arg-type]


def test_unmuting_without_a_hard_mute_only_asks() -> None:
    script = seated()
    version = script.member().desired_version
    assert script.decide(unmute()).events == (REQUESTED,)
    assert script.member().desired_version == version


def test_a_completed_action_is_removed_and_updates_the_tracks() -> None:
    script = seated()(joined(co_host()), published())
    script.decide(mute(), "command-1")
    silent = co_host(tracks=(track(muted=True),))
    completed = signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=silent)
    script(completed)
    after = script.stage
    assert (script.member().actions, script.member().presence.tracks) == ((), (track(muted=True),))
    assert script(completed).stage == after


def test_tracks_published_during_an_action_are_kept() -> None:
    script = seated()(joined(co_host()), published())
    script.decide(mute(), "command-1")
    script(published(track=track("TR_2", "camera")))
    silent = co_host(tracks=(track(muted=True), track("TR_0", muted=True)))
    script(signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=silent))
    assert script.member().presence.tracks == (track(muted=True), track("TR_2", "camera"))


def test_equal_pending_actions_are_reduced_to_the_last() -> None:
    script = seated()
    for number, command in enumerate([mute(), unmute(), mute(source="camera"), mute()]):
        script.decide(command, f"command-{number}")
    assert [errand.command_id for errand in script.member().actions] == [
        "command-1",
        "command-2",
        "command-3",
    ]


def test_pending_actions_end_with_the_seat() -> None:
    assert seated()(mute(), left()).member().actions == ()


def test_a_hard_mute_ends_with_the_seat() -> None:
    script = seated()(mute(hard=True), left(), accepted(invitation_id="invitation-2"))
    assert script.member().seat.hard_muted == ()  # type: ignore[union-attr]


def test_a_new_track_of_a_muted_source_reapplies_the_grant() -> None:
    script = seated()(joined(co_host()), mute(hard=True)).applied()
    assert not script.member().is_out_of_sync
    assert script(published()).member().is_out_of_sync
    assert script.told[-1] == muted(hard=True)


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
