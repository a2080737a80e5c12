"""HTTP answers as read by a client: optional and required fields."""

from typing import Any

import pytest
from pydantic import ValidationError

from cohost_schemas.answers import BroadcastData, CoHost, CoHosts, CommandOutcome, OnStage, Stage
from cohost_schemas.events import Permissions
from cohost_schemas.signals import Track
from cohost_schemas.types import Message

AT = "2026-01-01T12:00:00.007Z"
OUTCOME = CommandOutcome(
    command_id="a/b ä",
    command_type="Odd",
    outcome="rejected",
    decided_at=AT,
    room_id="room-1",
    invitation_id="i-1",
    events=(),
    reason="unknown_command",
    message="It is odd.",
)
SEATED = CoHosts(items=(CoHost(user_id="bob", invitation_id="i-1", since=AT),))
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
    hard_muted=("camera",),
)
STAGE = Stage(room_id="room-1", status="live", items=(BOB,))
each = pytest.mark.parametrize(
    "answer", [OUTCOME, SEATED, CONNECT, BOB, STAGE], ids=lambda answer: type(answer).__name__
)
NULLABLE = {
    CommandOutcome: {"room_id", "invitation_id", "reason", "message"},
    OnStage: {"invitation_id", "grace_ends_at"},
}


def parse_answer(model: type[Message], body: Any) -> Message:
    return model.model_validate(body, by_alias=True, by_name=False)


def answer_body(answer: Message) -> dict[str, Any]:
    return answer.model_dump(mode="json", by_alias=True)


@each
def test_an_answer_with_unknown_fields_is_read(answer: Message) -> None:
    assert parse_answer(type(answer), {**answer_body(answer), "colour": "red"}) == answer


@each
def test_only_nullable_fields_may_be_absent(answer: Message) -> None:
    model = type(answer)
    for name, alias in zip(model.model_fields, answer_body(answer), strict=True):
        body = {key: value for key, value in answer_body(answer).items() if key != alias}
        if name in NULLABLE.get(model, ()):
            assert parse_answer(model, body) == parse_answer(model, {**body, alias: None})
            assert parse_answer(model, body) == answer.model_copy(update={name: None})
        else:
            with pytest.raises(ValidationError):
                parse_answer(model, body)
