"""Tracks behind a hard-muted source that are published as another source."""

from typing import Any

import pytest

from cohost_schemas import signals
from services.broadcast.domain import permissions
from tests.broadcast.domain.stage_builder import (
    ROOM,
    StageScript,
    co_host_participant,
    invitation_accepted,
    media_changed,
    mute_command,
    participant_joined,
    room_compared,
    stage_changed,
    track,
    track_published,
    track_unpublished,
    unmute_command,
)

MUTED_PERMISSIONS = permissions.for_badge("coHost", ["microphone"])
SCREEN = track("TR_9", "screen_share", kind="video")


def muted_script(*tracks: signals.Track, source: Any = "microphone") -> StageScript:
    """Return a script in which bob is connected and muted hard."""
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()
    script(
        participant_joined(co_host_participant(tracks=tracks)), mute_command(source=source, hard=True)
    ).apply_grant()
    script.take_new_events()
    return script


def muted_participant(*tracks: signals.Track) -> signals.Participant:
    return co_host_participant(tracks=tracks).model_copy(update={"permissions": MUTED_PERMISSIONS})


@pytest.mark.parametrize(
    ("hard_muted", "kind", "source", "is_disguised"),
    [
        ("microphone", "audio", "camera", True),
        ("microphone", "audio", "screen_share", True),
        ("microphone", "audio", "screen_share_audio", True),
        ("microphone", None, "screen_share_audio", True),
        ("microphone", "video", "camera", False),
        ("microphone", "video", "screen_share", False),
        ("microphone", "video", "microphone", False),
        ("microphone", None, "camera", False),
        ("camera", "video", "microphone", True),
        ("camera", "video", "screen_share_audio", True),
        ("camera", "video", "screen_share", False),
        ("camera", "audio", "microphone", False),
        ("camera", "audio", "screen_share", False),
        ("camera", "audio", "screen_share_audio", False),
        ("screen_share", "video", "camera", False),
        ("screen_share", "audio", "microphone", False),
    ],
)
@pytest.mark.parametrize("muted", [True, False])
def test_a_disguise_is_a_kind_and_a_source_that_disagree(
    hard_muted: Any, kind: Any, source: Any, *, is_disguised: bool, muted: bool
) -> None:
    published = track(source=source, kind=kind, muted=muted)
    assert permissions.disguised_tracks([published], [hard_muted]) == ((published,) if is_disguised else ())
    assert permissions.disguised_tracks([published], []) == ()


def test_a_shared_screen_may_have_its_audio() -> None:
    audio = track("TR_1", "screen_share_audio", kind="audio")
    assert permissions.disguised_tracks([audio, SCREEN], ["microphone"]) == ()
    fake_screen = track("TR_9", "screen_share", kind="audio")
    assert permissions.disguised_tracks([audio, fake_screen], ["microphone"]) == (audio, fake_screen)


def test_the_host_is_never_hard_muted() -> None:
    script = muted_script()(stage_changed(host="bob"))
    assert script.stage is not None
    assert (
        permissions.tracks_to_mute(script.stage, muted_participant(track(source="camera", kind="audio")))
        == ()
    )


def test_a_disguised_track_puts_the_rights_out_of_sync() -> None:
    script = muted_script()
    assert not script(track_published(track=track(source="camera", kind="video"))).member_of().is_out_of_sync
    assert script(track_published(track=track(source="camera", kind="audio"))).member_of().is_out_of_sync


def test_a_screens_audio_is_disguised_once_the_screen_is_gone() -> None:
    audio = track("TR_1", "screen_share_audio", kind="audio")
    script = muted_script(audio, SCREEN)
    assert not script.member_of().is_out_of_sync
    assert script(track_unpublished(track_sid="TR_9")).member_of().is_out_of_sync


@pytest.mark.parametrize("muted", [True, False])
def test_a_snapshot_shows_a_disguised_track_that_its_owner_unmuted(*, muted: bool) -> None:
    script = muted_script()
    shown = muted_participant(track(source="camera", kind="audio", muted=muted))
    assert script(room_compared(shown)).member_of().is_out_of_sync is not muted
    assert permissions.has_disguised_tracks(script.member_of())


def test_a_rejoin_with_a_disguised_track_puts_the_rights_out_of_sync() -> None:
    shown = muted_participant(track(source="camera", kind="audio")).model_copy(update={"sid": "PA_2"})
    assert muted_script()(participant_joined(shown)).member_of().is_out_of_sync


def test_a_muted_disguise_is_announced_with_the_result() -> None:
    script = muted_script()(track_published(track=track(source="camera", kind="audio")))
    assert script.take_new_events() == [media_changed(7, ("camera",))]
    after = muted_participant(track(source="camera", kind="audio", muted=True))
    assert script.apply_grant(participant=after).take_new_events() == [
        media_changed(8, ("camera",), ("camera",))
    ]


def test_the_result_of_an_older_grant_mutes_nothing() -> None:
    script = muted_script()(track_published(track=track(source="camera", kind="audio")))
    stale = signals.GrantApplied(
        room_id=ROOM,
        user_id="bob",
        version=script.member_of().desired_version - 1,
        mode="in_place",
        participant=muted_participant(track(source="camera", kind="audio", muted=True)),
    )
    before = script.stage
    assert script(stale).stage == before


def test_lifting_the_hard_mute_ends_the_watch() -> None:
    script = muted_script()(track_published(track=track(source="camera", kind="audio")))
    assert permissions.has_disguised_tracks(script.member_of())
    assert not permissions.has_disguised_tracks(script(unmute_command()).member_of())
