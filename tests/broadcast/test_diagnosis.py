"""Each cause for which a user on stage is not on air has a step and a word of its own."""

from typing import Any

import pytest

from cohost_schemas import signals
from cohost_schemas.answers import DiagnosisStep
from services.broadcast.http import diagnosis_steps
from services.broadcast.http.diagnosis_steps import LiveKitProblem, LiveKitView
from services.runtime.diagnosis import complete_steps
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    StageScript,
    co_host_left,
    co_host_participant,
    invitation_accepted,
    mute_command,
    participant_joined,
    participant_left,
    quality_reported,
    stage_changed,
    time_at,
    track,
    track_published,
)

UNSEEN = LiveKitView()


def diagnose(script: StageScript, view: LiveKitView = UNSEEN, user_id: str = "bob") -> list[DiagnosisStep]:
    """Return the steps as HTTP answers with them."""
    steps = diagnosis_steps.diagnose(script.stage, user_id, view)
    return list(complete_steps(diagnosis_steps.STEPS, steps))


def cause(script: StageScript, view: LiveKitView = UNSEEN, user_id: str = "bob") -> tuple[Any, ...]:
    """Return the first step that is not `ok`, and check that the others follow from it."""
    steps = diagnose(script, view, user_id)
    assert [step.step for step in steps] == ["granted", "connected", "publishing", "quality"]
    place = next(number for number, step in enumerate(steps) if step.state != "ok")
    assert all((step.detail, step.advice) == (None, None) for step in steps[:place])
    assert all(step.state in ("waiting", "unknown") for step in steps[place + 1 :])
    assert all(step.advice for step in steps[place:])
    first = steps[place]
    return first.step, first.state, first.detail, first.at


def asks_livekit(script: StageScript, user_id: str = "bob") -> bool:
    assert script.stage is not None
    return diagnosis_steps.needs_livekit(script.stage, user_id)


def seated_script() -> StageScript:
    return StageScript()(stage_changed(), invitation_accepted())


def granted_script() -> StageScript:
    """Return a script whose next record is the fourth."""
    return seated_script().apply_grant(mode="absent")


def connected_script() -> StageScript:
    """Return a script whose next record is the fifth."""
    return granted_script()(participant_joined(co_host_participant()))


def publishing_script() -> StageScript:
    """Return a script whose next record is the sixth."""
    return connected_script()(track_published())


def test_a_user_on_air_has_every_step_with_its_time() -> None:
    script = publishing_script()
    assert not asks_livekit(script)
    assert [(step.state, step.at, step.detail, step.advice) for step in diagnose(script)] == [
        ("ok", time_at(3), None, None),
        ("ok", time_at(4), None, None),
        ("ok", None, None, None),
        ("ok", None, None, None),
    ]


def test_an_unknown_room_tells_nothing() -> None:
    assert cause(StageScript()) == ("granted", "unknown", "room_not_found", None)


def test_a_closed_room_has_nobody_on_air() -> None:
    script = publishing_script()(stage_changed("ended"))
    for user_id in ("bob", HOST):
        assert not asks_livekit(script, user_id)
        assert cause(script, user_id=user_id) == ("granted", "waiting", "room_not_open", None)


def test_a_user_without_a_seat_is_not_on_stage() -> None:
    script = publishing_script()(co_host_left())
    for user_id in ("bob", "mallory"):
        assert not asks_livekit(script, user_id)
        assert cause(script, user_id=user_id) == ("granted", "waiting", "not_on_stage", None)


def test_a_grant_is_pending() -> None:
    assert asks_livekit(seated_script())
    assert cause(seated_script()) == ("granted", "waiting", None, None)


@pytest.mark.parametrize(
    ("problem", "detail"),
    [
        (None, "grant_failed"),
        ("livekit_refused", "livekit_refused"),
        ("livekit_unavailable", "livekit_unavailable"),
    ],
)
def test_a_failing_grant_names_its_cause(problem: LiveKitProblem | None, detail: str) -> None:
    script = seated_script().fail_grant_call()
    assert cause(script, LiveKitView(problem=problem)) == ("granted", "failed", detail, None)


def test_a_hard_mute_that_fails_is_no_failed_grant() -> None:
    script = publishing_script()(mute_command(hard=True)).fail_grant_call()
    assert [step.state for step in diagnose(script)] == ["ok"] * 4


def test_a_co_host_never_connected() -> None:
    assert asks_livekit(granted_script())
    assert cause(granted_script()) == ("connected", "waiting", None, None)


def test_a_co_host_is_in_grace() -> None:
    script = publishing_script()(participant_left())
    assert cause(script) == ("connected", "waiting", "disconnected", time_at(6))
    ended = LiveKitView(co_host_participant())
    assert cause(script, ended) == ("connected", "waiting", "disconnected", time_at(6))


def test_a_released_seat_is_about_to_end() -> None:
    script = publishing_script()(participant_left())
    due_at = script.member_of().seat_deadline
    script.second = 100
    script(
        signals.DeadlineReached(
            room_id=ROOM,
            user_id="bob",
            invitation_id="invitation-1",
            kind="grace",
            due_at=due_at or "",
            command_id="c-1",
        )
    )
    assert not asks_livekit(script)
    assert cause(script) == ("connected", "failed", "connection_lost", time_at(6))


def test_a_webhook_about_a_connection_is_lost() -> None:
    there = LiveKitView(co_host_participant())
    assert cause(granted_script(), there) == ("connected", "waiting", "webhook_lost", None)
    joining = LiveKitView(co_host_participant(connected=False))
    assert cause(granted_script(), joining) == ("connected", "waiting", "connecting", None)


def test_livekit_refuses_the_key_or_does_not_answer() -> None:
    refused, silent = LiveKitView(problem="livekit_refused"), LiveKitView(problem="livekit_unavailable")
    assert cause(granted_script(), refused) == ("connected", "failed", "livekit_refused", None)
    assert cause(granted_script(), silent) == ("connected", "unknown", "livekit_unavailable", None)


def test_a_connected_co_host_publishes_nothing() -> None:
    script = connected_script()
    assert asks_livekit(script)
    assert cause(script) == ("publishing", "waiting", None, None)
    there = LiveKitView(co_host_participant(tracks=(track(),)))
    assert cause(script, there) == ("publishing", "waiting", "webhook_lost", None)


def test_every_source_is_muted_hard() -> None:
    script = connected_script()(
        *(mute_command(source=source, hard=True) for source in ("camera", "microphone"))
    )
    assert cause(script) == ("publishing", "waiting", None, None)
    script(mute_command(source="screen_share", hard=True))
    assert cause(script) == ("publishing", "waiting", "hard_muted", None)


@pytest.mark.parametrize("quality", ["poor", "lost"])
def test_a_bad_quality_counts_once_it_is_published(quality: str) -> None:
    script = publishing_script()(quality_reported(quality))
    assert [step.state for step in diagnose(script)] == ["ok"] * 4
    due_at = script.member_of().quality_due_at
    script.second = 20
    script(signals.QualityDue(room_id=ROOM, user_id="bob", due_at=due_at or ""))
    assert cause(script) == ("quality", "failed", quality, time_at(6))
    script(quality_reported("good"))
    assert cause(script)[0] == "quality"


def test_a_host_needs_no_grant() -> None:
    script = StageScript()(stage_changed("idle")).fail_grant_call(HOST)
    assert asks_livekit(script, HOST)
    assert cause(script, user_id=HOST) == ("connected", "waiting", None, None)
    assert diagnose(script, user_id=HOST)[0].at == time_at(1)
    script(participant_joined(co_host_participant(HOST)), participant_left(HOST))
    assert cause(script, user_id=HOST)[1:3] == ("waiting", "disconnected")
