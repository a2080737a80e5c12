"""HTTP answers as read by a client: optional and required fields."""

from typing import Any

import pytest
from pydantic import ValidationError

from cohost_schemas.answers import (
    BroadcastData,
    CoHost,
    CoHosts,
    CommandOutcome,
    DetailedOutcome,
    Diagnosis,
    DiagnosisStep,
    InvitationDetails,
    OnStage,
    PublishDefaults,
    RoomSummary,
    Stage,
    Track,
)
from cohost_schemas.events import Permissions
from cohost_schemas.types import Message
from tests.schemas.example_models import RESENT

AT = "2026-01-01T12:00:00.007Z"
OUTCOME = CommandOutcome(
    command_id="a/b ä",
    command_type="Odd",
    outcome="rejected",
    decided_at=AT,
    room_id="room-1",
    invitation_id="i-1",
    actor_id="bob",
    events=(),
    reason="unknown_command",
    message="It is odd.",
)
DETAILED = DetailedOutcome(**OUTCOME.model_dump(), detail="banned")
INVITED = InvitationDetails(
    **RESENT.model_dump(exclude={"responded_at", "close_reason"}),
    responded_at=AT,
    close_reason="declined",
    room_title="Friday night",
    inviter_name="Alice",
    user_name="Bob",
)
ROOM = RoomSummary(
    room_id="room-1",
    host_id="alice",
    title="Friday night",
    status="live",
    open=True,
    max_co_hosts=5,
    pending=3,
    seats=2,
)
CAROL = CoHost(user_id="carol", invitation_id="i-2", since=AT, label="Guitar", order=1)
SEATED = CoHosts(items=(CAROL,))
CONNECT = BroadcastData(
    room_id="room-1",
    user_id="bob",
    role="coHost",
    server_url="ws://livekit",
    token="secret",
    expires_at=AT,
    livekit_room="room-1",
    permissions=Permissions(
        can_publish=True, can_publish_data=True, can_subscribe=True, can_publish_sources=("camera",)
    ),
    publish_defaults=PublishDefaults(video_max_bitrate=450_000, video_max_framerate=20, simulcast=False),
)
BOB = OnStage(
    user_id="bob",
    role="coHost",
    badge="coHost",
    invitation_id="i-1",
    since=AT,
    grant="provisioned",
    connection="disconnected",
    grace_ends_at=AT,
    tracks=(Track(sid="track-1", source="unknown", muted=True),),
    published=("camera",),
    hard_muted=("camera",),
    label="Guitar",
    order=1,
)
STAGE = Stage(room_id="room-1", status="live", items=(BOB,))
MISSING = DiagnosisStep(
    step="connected", state="waiting", at=AT, detail="disconnected", advice="Connect again."
)
DIAGNOSED = Diagnosis(room_id="room-1", user_id="bob", steps=(MISSING,))
each = pytest.mark.parametrize(
    "answer",
    [OUTCOME, DETAILED, INVITED, ROOM, CAROL, SEATED, CONNECT, BOB, STAGE, MISSING, DIAGNOSED],
    ids=lambda answer: type(answer).__name__,
)
_OUTCOME = dict.fromkeys(("room_id", "invitation_id", "actor_id", "reason", "message"))
_INVITATION = dict.fromkeys(
    ("responded_at", "close_reason", "message", "previous_invitation_id", "label", "resent_at", "seen_at")
)
_NAMES = dict.fromkeys(("room_title", "inviter_name", "user_name"))
OPTIONAL: dict[type[Message], dict[str, Any]] = {
    CommandOutcome: _OUTCOME,
    DetailedOutcome: {**_OUTCOME, "detail": None},
    InvitationDetails: {**_INVITATION, **_NAMES, "times_sent": 1},
    RoomSummary: {"title": None, "pending": None},
    BroadcastData: {"publish_defaults": None},
    DiagnosisStep: dict.fromkeys(("at", "detail", "advice")),
    CoHost: {"label": None, "order": 0},
    OnStage: {"invitation_id": None, "grace_ends_at": None, "label": None, "order": 0},
}


def parse_answer(model: type[Message], body: Any) -> Message:
    return model.model_validate(body, by_alias=True, by_name=False)


def answer_body(answer: Message) -> dict[str, Any]:
    return answer.model_dump(mode="json", by_alias=True)


@each
def test_an_answer_with_unknown_fields_is_read(answer: Message) -> None:
    assert parse_answer(type(answer), {**answer_body(answer), "colour": "red"}) == answer


@each
def test_only_optional_fields_may_be_absent(answer: Message) -> None:
    model = type(answer)
    for name, alias in zip(model.model_fields, answer_body(answer), strict=True):
        body = {key: value for key, value in answer_body(answer).items() if key != alias}
        if name in OPTIONAL.get(model, ()):
            default = OPTIONAL[model][name]
            assert parse_answer(model, body) == parse_answer(model, {**body, alias: default})
            assert parse_answer(model, body) == answer.model_copy(update={name: default})
        else:
            with pytest.raises(ValidationError):
                parse_answer(model, body)
