from collections.abc import Iterator

import pytest

import cohost


class ScriptedCommand:
    """Gives one outcome after the other: a rejection's reason, or None for success."""

    def __init__(self, *reasons: str | None) -> None:
        self._reasons: Iterator[str | None] = iter(reasons)
        self.sent = 0

    async def send(self) -> str:
        self.sent += 1
        if reason := next(self._reasons):
            raise cohost.Rejected(str(self.sent), reason, "")
        return "sent"


async def test_a_command_is_repeated_until_room_and_user_are_known() -> None:
    command = ScriptedCommand("room_not_found", "user_not_found", None)
    assert await cohost.retry_until_known(command.send) == "sent"
    assert command.sent == 3


async def test_a_command_refused_for_another_reason_is_not_repeated() -> None:
    command = ScriptedCommand("room_not_found", "not_room_host")
    with pytest.raises(cohost.Rejected, match="not_room_host"):
        await cohost.retry_until_known(command.send)
    assert command.sent == 2


async def test_repeating_ends_when_the_time_is_over() -> None:
    command = ScriptedCommand("room_not_found")
    with pytest.raises(cohost.Rejected, match="room_not_found"):
        await cohost.retry_until_known(command.send, seconds=0)
    assert command.sent == 1
