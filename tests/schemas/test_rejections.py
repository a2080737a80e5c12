"""The ids of a command that its rejection shows and its outcome keeps."""

from typing import Any

import pytest

from cohost_schemas import commands
from cohost_schemas.events import CoHostLeft
from cohost_schemas.facts import RoomChanged
from cohost_schemas.rejections import (
    SUMMARY_FIELDS,
    CommandRejected,
    summarize_command,
    summarize_invalid_command,
)
from cohost_schemas.types import Message
from tests.schemas import example_models

LEFT = CoHostLeft(
    room_id="room-1", user_id="bob", invitation_id="i-2", reason="left", left_at="2026-01-01T12:00:00.000Z"
)
LEAVE = commands.LeaveStage(room_id="room-1", actor_id="bob")
DECLINE = commands.DeclineInvitation(room_id="room-1", invitation_id="i-1", actor_id="alice")


def test_the_summary_has_the_rejections_fields() -> None:
    assert set(SUMMARY_FIELDS) <= set(CommandRejected.model_fields)


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        ({"roomId": "room-1", "invitationId": "i-1", "actorId": "alice"}, ("room-1", "i-1", "alice")),
        ({"roomId": "room-1", "invitationId": None}, ("room-1", None, None)),
        ({"roomId": "no id", "invitationId": 7, "actorId": ["alice"]}, (None, None, None)),
        ("text", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_only_valid_ids_of_invalid_data_are_in_the_summary(
    data: Any, summary: tuple[str | None, ...]
) -> None:
    assert summarize_invalid_command(data) == summary


@pytest.mark.parametrize(
    "command",
    [
        *example_models.COMMANDS,
        *(
            commands.ExpireInvitation(room_id=room_id, invitation_id=invitation_id)
            for room_id in ("room-1", ".", "..", "...")
            for invitation_id in ("i-1", ".", "..", ".a")
        ),
    ],
)
def test_a_rejected_commands_summary_is_that_of_its_data(command: Message) -> None:
    assert summarize_command(command) == summarize_invalid_command(command.model_dump(by_alias=True))


def test_an_accepted_commands_invitation_comes_from_its_last_event() -> None:
    room = RoomChanged(room_id="room-1", host_id="alice", status="live")
    assert summarize_command(LEAVE, [room, LEFT]) == ("room-1", "i-2", "bob")
    assert summarize_command(DECLINE, [LEFT]) == ("room-1", "i-1", "alice")
    assert summarize_command(LEAVE, [LEFT, room]) == ("room-1", None, "bob")
    assert summarize_command(LEAVE, [LEFT, None]) == ("room-1", None, "bob")
    stored = commands.ExpireInvitation(room_id=".", invitation_id="..")
    assert summarize_command(stored, [LEFT]) == (".", "..", None)
