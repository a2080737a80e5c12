"""Events about the connection of the present host of an open room."""

from cohost_schemas import signals
from cohost_schemas.signals import Participant
from services.broadcast.domain import permissions
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    events_after,
    host_event,
    invitation_accepted,
    participant,
    participant_joined,
    participant_left,
    room_compared,
    stage_changed,
    track,
    track_published,
)


def host_participant(user_id: str = HOST, sid: str = "PA_9") -> Participant:
    return participant(user_id, sid, permissions.for_badge("host"), "host")


def connected_script() -> StageScript:
    """Return a script in whose second record the host connected."""
    script = StageScript()(stage_changed(), participant_joined(host_participant()))
    assert script.take_new_events() == [host_event("Connected", 2)]
    return script


def test_a_host_connects_drops_and_returns() -> None:
    script = connected_script()
    assert events_after(script, participant_left(HOST, "PA_9")) == [host_event("Disconnected", 3)]
    again = participant_joined(host_participant(sid="PA_10"))
    assert events_after(script, again) == [host_event("Reconnected", 4)]


def test_repeated_and_late_webhooks_announce_nothing() -> None:
    script = connected_script()
    assert events_after(script, participant_joined(host_participant())) == []
    events_after(script, participant_left(HOST, "PA_9"))
    late = (participant_left(HOST, "PA_9"), participant_joined(host_participant()))
    assert events_after(script, *late) == []


def test_an_end_reported_before_its_join_announces_nothing() -> None:
    script = StageScript()(stage_changed(), participant_left(HOST, "PA_9"))
    assert events_after(script, participant_joined(host_participant())) == []


def test_a_second_device_of_the_host_is_no_new_connection() -> None:
    moved = participant_left(HOST, "PA_9", "moved")
    assert events_after(connected_script(), participant_joined(host_participant(sid="PA_10")), moved) == []
    assert events_after(connected_script(), moved, participant_joined(host_participant(sid="PA_10"))) == []


def test_a_closed_room_announces_no_host() -> None:
    script = connected_script()
    closing = (stage_changed("ended"), participant_left(HOST, "PA_9"))
    assert events_after(script, *closing) == []
    assert script.delete_livekit_room().take_new_events() == []


def test_the_first_connection_after_reopening_is_a_first_connection() -> None:
    script = connected_script()(stage_changed("ended")).delete_livekit_room()(stage_changed("idle"))
    again = participant_joined(host_participant(sid="PA_10"), "RM_2")
    assert events_after(script, again) == [host_event("Connected", 6)]


def test_the_connection_that_a_pending_deletion_ends_is_not_announced() -> None:
    """The room opens again before its LiveKit room is deleted, into which the host has just come."""
    script = connected_script()(stage_changed("ended"), stage_changed("live"))
    assert events_after(script, participant_joined(host_participant(sid="PA_10"))) == []
    assert script.delete_livekit_room().take_new_events() == []
    assert events_after(script, participant_left(HOST, "PA_10")) == []


def test_a_connection_to_the_new_livekit_room_is_announced_after_the_deletion() -> None:
    script = connected_script()(stage_changed("ended"), stage_changed("live"))
    assert events_after(script, participant_joined(host_participant(sid="PA_10"), "RM_2")) == []
    assert script.delete_livekit_room("RM_1").take_new_events() == [host_event("Connected", 6)]


def test_a_co_host_who_becomes_host_is_announced_at_once() -> None:
    script = connected_script()(invitation_accepted(), participant_joined(co_host_participant()))
    assert events_after(script, stage_changed(host="bob")) == [host_event("Connected", 5, "bob")]
    assert events_after(script, co_host_left(reason="became_host")) == []
    assert events_after(script, participant_left("bob")) == [host_event("Disconnected", 7, "bob")]


def test_a_viewer_who_becomes_host_is_announced_with_the_rights() -> None:
    script = connected_script()
    assert events_after(script, stage_changed(host="vera")) == []
    shown = host_participant("vera", "PA_2")
    assert script.apply_grant("vera", participant=shown).take_new_events() == [
        host_event("Connected", 4, "vera")
    ]


def test_a_new_hosts_first_connection_is_one_though_they_had_dropped_before() -> None:
    script = connected_script()(
        invitation_accepted(), participant_joined(co_host_participant()), participant_left()
    )
    assert events_after(script, stage_changed(host="bob"), co_host_left(reason="became_host")) == []
    again = participant_joined(host_participant("bob", "PA_2"))
    assert events_after(script, again) == [host_event("Connected", 8, "bob")]


def test_a_former_hosts_connection_is_not_announced() -> None:
    script = connected_script()(stage_changed(host="vera"))
    assert events_after(script, participant_left(HOST, "PA_9")) == []


def test_a_host_who_comes_back_as_host_connects_for_the_first_time() -> None:
    script = connected_script()(stage_changed(host="vera"))
    assert events_after(script, stage_changed()) == [host_event("Connected", 4)]


def test_a_track_shows_the_hosts_connection() -> None:
    script = StageScript()(stage_changed())
    assert events_after(script, track_published(HOST, "PA_9")) == [host_event("Connected", 2)]


def test_lost_webhooks_are_made_up_for_by_snapshots() -> None:
    script = StageScript()(stage_changed())
    assert events_after(script, room_compared(host_participant())) == [host_event("Connected", 2)]
    gone = (room_compared(look_id="look-2"), room_compared(look_id="look-3"))
    assert events_after(script, *gone) == [host_event("Disconnected", 4)]


def test_a_livekit_restart_is_no_change_for_a_host_who_returns() -> None:
    script = connected_script()
    finished = signals.RoomFinished(room_id=ROOM, room_sid="RM_1")
    again = participant_joined(host_participant(sid="PA_10"), "RM_2")
    assert events_after(script, finished, again) == []


def test_a_hosts_media_is_not_announced() -> None:
    assert events_after(connected_script(), track_published(HOST, "PA_9", track=track())) == []
