"""Recordings: published once each, for as long as the room is known."""

from cohost_schemas import events, signals
from tests.broadcast.domain.stage_builder import ROOM, StageScript, stage_changed

TIMES = {"started_at": "2026-01-01T12:00:00.000Z", "ended_at": None}


def egress_ended(egress_id: str = "EG_1") -> signals.EgressEnded:
    return signals.EgressEnded(
        room_id=ROOM, egress_id=egress_id, status="aborted", files=("s3://a", "s3://b"), **TIMES
    )


def recording_finished(egress_id: str = "EG_1") -> events.RecordingFinished:
    return events.RecordingFinished(
        room_id=ROOM, egress_id=egress_id, status="aborted", files=("s3://a", "s3://b"), **TIMES
    )


def test_a_recording_is_published_once() -> None:
    script = StageScript()(stage_changed(), egress_ended(), egress_ended(), egress_ended("EG_2"))
    assert script.events == [recording_finished(), recording_finished("EG_2")]


def test_a_recording_of_a_closed_room_is_published_once() -> None:
    script = StageScript()(stage_changed(), stage_changed("ended"), egress_ended()).delete_livekit_room()
    script(egress_ended(), stage_changed("idle"), egress_ended())
    assert script.events == [recording_finished()]


def test_a_recording_of_an_unknown_room_is_ignored() -> None:
    assert StageScript().decide_record(egress_ended()) is None
