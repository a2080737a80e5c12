"""The media that seated co-hosts publish: announced whenever it differs from the last event."""

from dataclasses import replace

import pytest

from cohost_schemas import signals
from services.broadcast.domain import connections
from services.broadcast.domain.state import Media, Stage
from tests.broadcast.domain.stage_builder import (
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    events_after,
    invitation_accepted,
    media_changed,
    mute_command,
    participant,
    participant_joined,
    participant_left,
    room_compared,
    stage_changed,
    track,
    track_published,
    track_unpublished,
)

MICROPHONE = track("TR_1", "microphone")


def connected_script(*tracks: signals.Track) -> StageScript:
    """Return a script whose last record, the fourth, connected bob with these tracks."""
    script = StageScript()(stage_changed(), invitation_accepted()).apply_grant()
    script(participant_joined(co_host_participant(tracks=tracks)))
    return script


@pytest.mark.parametrize(
    ("tracks", "published", "muted"),
    [
        ((), (), ()),
        (
            (track("TR_1", "screen_share_audio"), track("TR_2", "screen_share"), track("TR_3", "microphone")),
            ("microphone", "screen_share", "screen_share_audio"),
            (),
        ),
        ((track("TR_1", "microphone"), track("TR_2", "camera")), ("camera", "microphone"), ()),
        ((track("TR_1", "camera", muted=True), track("TR_2", "camera")), ("camera",), ()),
        (
            (track("TR_1", "microphone", muted=True), track("TR_2", "camera", muted=True)),
            ("camera", "microphone"),
            ("camera", "microphone"),
        ),
        ((track("TR_1", "unknown"), track("TR_2", "camera")), ("camera",), ()),
    ],
)
def test_media_lists_the_known_sources_in_order(
    tracks: tuple[signals.Track, ...], published: tuple[str, ...], muted: tuple[str, ...]
) -> None:
    media = connections.media_of(tracks)
    assert (media.published, media.muted) == (published, muted)


def test_publishing_and_unpublishing_is_announced() -> None:
    script = connected_script()
    assert events_after(script, track_published()) == [media_changed(5, ("microphone",))]
    camera = track_published(track=track("TR_2", "camera", muted=True))
    assert events_after(script, camera) == [media_changed(6, ("camera", "microphone"), ("camera",))]
    assert events_after(script, track_unpublished()) == [media_changed(7, ("camera",), ("camera",))]


def test_what_changes_no_source_is_not_announced() -> None:
    script = connected_script(MICROPHONE)
    second = track_published(track=track("TR_2", "microphone", muted=True))
    unknown = track_published(track=track("TR_3", "unknown"))
    assert events_after(script, second, unknown, track_unpublished(track_sid="TR_2")) == []


def test_a_soft_mute_is_announced_with_its_result() -> None:
    script = connected_script(MICROPHONE)
    script.decide_record(mute_command(), "command-1")
    muted = co_host_participant(tracks=(track(muted=True),))
    completed = signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=muted)
    assert events_after(script, completed) == [media_changed(6, ("microphone",), ("microphone",))]


def test_a_mute_by_the_owner_is_announced_with_the_next_snapshot() -> None:
    script = connected_script(MICROPHONE)
    muted = room_compared(co_host_participant(tracks=(track(muted=True),)))
    assert events_after(script, muted, muted) == [media_changed(5, ("microphone",), ("microphone",))]
    unmuted = room_compared(co_host_participant(tracks=(MICROPHONE,)))
    assert events_after(script, unmuted) == [media_changed(7, ("microphone",))]


def test_a_snapshot_from_before_our_own_mute_does_not_undo_it() -> None:
    script = connected_script(MICROPHONE)
    script.decide_record(mute_command(), "command-1")
    muted = co_host_participant(tracks=(track(muted=True),))
    script(signals.ErrandDone(room_id=ROOM, user_id="bob", errand_id="command-1", participant=muted))
    earlier = room_compared(co_host_participant(tracks=(MICROPHONE,)), position=6)
    assert events_after(script, earlier) == []


def test_a_connection_that_ends_publishes_nothing() -> None:
    script = connected_script(MICROPHONE)
    [disconnected, silent] = events_after(script, participant_left())
    assert (type(disconnected).__name__, silent) == ("CoHostDisconnected", media_changed(5))


def test_a_second_device_publishes_nothing_at_first() -> None:
    again = participant_joined(co_host_participant(sid="PA_2"))
    assert events_after(connected_script(MICROPHONE), again) == [media_changed(5)]


def test_a_connected_user_s_seat_begins_with_nothing_published() -> None:
    script = StageScript()(stage_changed(), participant_joined(participant("bob")))
    assert events_after(script, invitation_accepted()) == []
    first = script.apply_grant(participant=co_host_participant()).take_new_events()
    assert [type(event).__name__ for event in first] == ["GrantProvisioned", "CoHostConnected"]


def test_a_new_seat_announces_media_again() -> None:
    script = connected_script(MICROPHONE)(co_host_left())
    script(invitation_accepted(invitation_id="invitation-2"))
    script.take_new_events()
    shown = co_host_participant(tracks=(MICROPHONE,))
    assert script.apply_grant(participant=shown).take_new_events()[-1] == media_changed(
        7, ("microphone",), invitation_id="invitation-2"
    )


def test_the_end_of_a_seat_announces_no_media() -> None:
    assert events_after(connected_script(MICROPHONE), co_host_left()) == []


def test_the_closing_of_a_room_announces_no_media() -> None:
    script = connected_script(MICROPHONE)
    closing = (stage_changed("ended"), track_unpublished(), participant_left())
    assert events_after(script, *closing) == []


def test_a_co_host_who_becomes_host_announces_no_media() -> None:
    script = connected_script(MICROPHONE)
    left = co_host_left(reason="became_host")
    published = events_after(script, stage_changed(host="bob"), track_unpublished(), left)
    assert [type(event).__name__ for event in published] == ["HostConnected"]


def test_a_track_published_before_the_grants_result_is_not_lost() -> None:
    """The webhook comes before the result of the grant, which LiveKit applied before the track came."""
    script = StageScript()(stage_changed(), invitation_accepted())
    [connected, published] = events_after(script, track_published())
    assert (type(connected).__name__, published) == ("CoHostConnected", media_changed(3, ("microphone",)))
    after = script.apply_grant(participant=co_host_participant()).take_new_events()
    assert [type(event).__name__ for event in after] == ["GrantProvisioned"]
    assert script.member_of().presence.tracks == (MICROPHONE,)


def test_a_late_report_of_a_connection_does_not_undo_its_tracks() -> None:
    script = connected_script()(track_published())
    assert events_after(script, participant_joined(co_host_participant())) == []


def test_a_late_track_of_an_ended_connection_is_ignored() -> None:
    script = connected_script()(participant_left())
    assert events_after(script, track_published()) == []


def test_media_that_an_earlier_version_stored_is_announced_with_the_next_snapshot() -> None:
    script = connected_script(MICROPHONE)
    assert script.stage is not None
    [member] = script.stage.members.values()
    assert member.seat is not None
    silent = replace(member, seat=replace(member.seat, announced_media=Media()))
    script.stage = Stage(script.stage.room, {"bob": silent})
    same = room_compared(co_host_participant(tracks=(MICROPHONE,)))
    assert events_after(script, same, same) == [media_changed(5, ("microphone",))]
