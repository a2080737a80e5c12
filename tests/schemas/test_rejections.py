"""The ids of a command that its rejection shows and its outcome keeps."""

from typing import Any

import pytest

from cohost_schemas.events import CoHostLeft
from cohost_schemas.facts import RoomChanged
from cohost_schemas.rejections import CommandRejected, CommandSummary, summarize_command

DATA = {"roomId": "room-1", "invitationId": "i-1", "actorId": "alice"}
LEFT = CoHostLeft(
    room_id="room-1", user_id="bob", invitation_id="i-2", reason="left", left_at="2026-01-01T12:00:00.000Z"
)


def test_the_summary_has_the_rejections_fields() -> None:
    assert set(CommandSummary._fields) <= set(CommandRejected.model_fields)


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (DATA, ("room-1", "i-1", "alice")),
        ({"roomId": "room-1", "invitationId": None}, ("room-1", None, None)),
        ({"roomId": "no id", "invitationId": 7, "actorId": ["alice"]}, (None, None, None)),
        ("text", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_only_valid_ids_of_any_data_are_in_the_summary(data: Any, summary: tuple[str | None, ...]) -> None:
    assert summarize_command(data) == summary


def test_an_accepted_commands_invitation_comes_from_its_last_event() -> None:
    room = RoomChanged(room_id="room-1", host_id="alice", status="live")
    without = {"roomId": "room-1", "actorId": "bob"}
    assert summarize_command(without, [room, LEFT]) == ("room-1", "i-2", "bob")
    assert summarize_command(DATA, [LEFT]) == ("room-1", "i-1", "alice")
    assert summarize_command(without, [LEFT, room]) == ("room-1", None, "bob")
    assert summarize_command(without, [LEFT, None]) == ("room-1", None, "bob")
