"""Reports of users on stage about their own connections, and when a quality is published."""

from typing import Any

from cohost_schemas import events, signals, timestamps
from cohost_schemas.types import Message
from services.broadcast.domain.state import Quality, UnpublishedQuality
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    START_MS,
    StageScript,
    co_host_left,
    co_host_participant,
    events_after,
    invitation_accepted,
    participant_joined,
    participant_left,
    quality_reported,
    stage_changed,
    time_at,
)


def quality_changed(
    quality: Any, since: int, user_id: str = "bob", round_trip_ms: int | None = None
) -> Message:
    return events.ParticipantQualityChanged(
        room_id=ROOM, user_id=user_id, quality=quality, round_trip_ms=round_trip_ms, since=time_at(since)
    )


def quality_due(script: StageScript, user_id: str = "bob") -> signals.QualityDue:
    """Return the signal that the sweeper writes for a user's unpublished quality."""
    due_at = script.member_of(user_id).quality_due_at
    assert due_at is not None
    return signals.QualityDue(room_id=ROOM, user_id=user_id, due_at=due_at)


def wait_until_due(script: StageScript, user_id: str = "bob") -> list[Message]:
    """Decide the sweeper's signal at the very time when the quality is due, and return the events."""
    signal = quality_due(script, user_id)
    script.second = (timestamps.to_ms(signal.due_at) - START_MS) // 1000 - 1
    return events_after(script, signal)


def seated_script() -> StageScript:
    """Return a script whose next record is the third."""
    return StageScript()(stage_changed(), invitation_accepted())


def published_script(quality: Any = "good") -> StageScript:
    """Return a script whose last record, the eighth, published bob's first quality."""
    script = seated_script()(quality_reported(quality))
    assert wait_until_due(script) == [quality_changed(quality, 3)]
    assert script.second == 8
    return script


def test_the_first_quality_is_published_after_five_seconds() -> None:
    script = seated_script()
    assert events_after(script, quality_reported("excellent", round_trip_ms=30)) == []
    assert wait_until_due(script) == [quality_changed("excellent", 3, round_trip_ms=30)]
    assert script.second == 8


def test_the_event_has_the_first_reports_time_and_the_last_ones_round_trip() -> None:
    script = published_script()
    reports = (quality_reported("poor", round_trip_ms=300), quality_reported("poor", round_trip_ms=500))
    assert events_after(script, *reports) == []
    assert wait_until_due(script) == [quality_changed("poor", 9, round_trip_ms=500)]
    assert events_after(script, quality_reported("good"), quality_reported("good")) == []
    assert wait_until_due(script) == [quality_changed("good", 15)]


def test_a_quality_that_comes_back_in_time_publishes_nothing() -> None:
    script = published_script()(quality_reported("poor"))
    late = quality_due(script)
    assert events_after(script, quality_reported("good")) == []
    script.second = 60
    assert events_after(script, late, quality_reported("poor")) == []
    assert wait_until_due(script) == [quality_changed("poor", 62)]


def test_a_quality_that_does_not_hold_is_not_published() -> None:
    script = published_script()
    for quality in ("poor", "lost") * 10:
        assert events_after(script, quality_reported(quality)) == []
    assert events_after(script, quality_reported("lost", round_trip_ms=900)) == []
    assert wait_until_due(script) == [quality_changed("lost", 28, round_trip_ms=900)]
    assert script.second == 33


def test_a_report_publishes_what_was_due_before_it() -> None:
    """The sweeper is late; the quality had differed for five seconds before it came back."""
    script = published_script()(quality_reported("poor"))
    late = quality_due(script)
    script.second = 13
    assert events_after(script, quality_reported("good")) == [quality_changed("poor", 9)]
    assert events_after(script, late) == []
    assert wait_until_due(script) == [quality_changed("good", 14)]


def test_a_signal_before_its_time_and_a_repeated_one_publish_nothing() -> None:
    script = published_script()(quality_reported("poor"))
    signal = quality_due(script)
    assert events_after(script, signal) == []
    assert wait_until_due(script) == [quality_changed("poor", 9)]
    assert events_after(script, signal) == []


def test_a_report_without_news_leaves_the_stage_as_it_is() -> None:
    script = published_script()
    before = script.stage
    assert script(quality_reported("good", round_trip_ms=77)).stage is before
    script(quality_reported("poor", round_trip_ms=300))
    before = script.stage
    assert script(quality_reported("poor", round_trip_ms=300)).stage is before


def test_a_quality_outlasts_a_lost_connection() -> None:
    script = published_script("lost")(participant_joined(co_host_participant()), participant_left())
    assert script.member_of().quality == Quality("lost", time_at(3))
    assert script.take_new_events()
    script(participant_joined(co_host_participant(sid="PA_2")))
    assert script.member_of().quality.is_bad


def test_users_who_are_not_on_stage_are_not_heard() -> None:
    script = StageScript()(stage_changed())
    before = script.stage
    assert script(quality_reported("poor", "mallory"), quality_reported("poor")).stage is before
    script(invitation_accepted(), stage_changed("ended"))
    before = script.stage
    assert script(quality_reported("poor"), quality_reported("poor", HOST)).stage is before


def test_an_unknown_room_hears_nobody() -> None:
    assert StageScript().decide_record(quality_reported("poor")) is None


def test_the_hosts_quality_is_published_too() -> None:
    script = StageScript()(stage_changed("idle"), quality_reported("lost", HOST))
    assert wait_until_due(script, HOST) == [quality_changed("lost", 2, HOST)]


def test_a_quality_ends_with_the_seat() -> None:
    script = published_script()(quality_reported("poor"))
    late = quality_due(script)
    script(co_host_left(), invitation_accepted(invitation_id="invitation-2"))
    assert script.member_of().quality == Quality()
    script.second = 60
    assert events_after(script, late, quality_reported("good")) == []
    assert script.member_of().quality == Quality(unpublished=UnpublishedQuality("good", None, time_at(62)))


def test_a_quality_ends_with_the_room() -> None:
    script = published_script("poor")(quality_reported("good", HOST), stage_changed("ended"))
    assert script.member_of().quality == script.member_of(HOST).quality == Quality()
    script.delete_livekit_room()(stage_changed("live"))
    assert script.member_of().quality == script.member_of(HOST).quality == Quality()


def test_a_former_hosts_quality_is_forgotten() -> None:
    script = StageScript()(stage_changed(), quality_reported("poor", HOST), stage_changed(host="vera"))
    assert script.member_of(HOST).quality == Quality()


def test_a_co_host_who_becomes_host_keeps_the_quality() -> None:
    script = published_script("poor")(stage_changed(host="bob"), co_host_left(reason="became_host"))
    assert script.member_of().quality == Quality("poor", time_at(3))
    assert events_after(script, quality_reported("poor")) == []
    script(quality_reported("good"))
    assert wait_until_due(script) == [quality_changed("good", 12)]
