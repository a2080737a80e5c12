"""What can come of a command, a read or an iterator instead of what was asked for."""

from typing import Any

from schemas.envelope import Envelope
from schemas.invitation import Invitation


class Rejected(Exception):  # noqa: N818 - the contract's own word
    """The command changes nothing.

    `reason` is one of the contract's words, `message` a sentence for a person. `current` is the invitation
    as stored, where the command named one that its actor may see. `envelope` is the rejection as read,
    None where only HTTP still knew it.
    """

    def __init__(
        self,
        command_id: str,
        reason: str,
        message: str,
        *,
        current: Invitation | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.command_id = command_id
        self.reason = reason
        self.message = message
        self.current = current
        self.envelope = envelope


class OutcomeUnknown(Exception):  # noqa: N818 - it names what is the case
    """The time is over, or the client closed, and the command's outcome has not been seen.

    `published` is True where Kafka confirmed the command (it then lies at `partition` and `offset`, and its
    id has or will have one outcome), False where it was never handed to Kafka, None where nobody knows. In
    each case asking again with `command_id=error.command_id` is safe: it gives the one outcome of the id.
    """

    def __init__(
        self,
        command_id: str,
        *,
        published: bool | None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> None:
        known = {
            True: f"published at partition {partition}, offset {offset}",
            False: "not published",
            None: "perhaps published",
        }[published]
        super().__init__(f"the outcome of command {command_id} is not known; it is {known}")
        self.command_id = command_id
        self.published = published
        self.partition = partition
        self.offset = offset


class NotConfirmed(Exception):  # noqa: N818 - it names what is the case
    """A fact is not known to be written; writing it again is safe."""


class PositionLost(Exception):  # noqa: N818 - it names what is the case
    """The log does not reach back to the position to resume from; begin anew."""


class ProblemError(Exception):
    """A service answered a read with RFC 9457 problem details; `reason` is one of the contract's words."""

    def __init__(self, status: int, reason: str, detail: str | None, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {reason}" + (f": {detail}" if detail else ""))
        self.status = status
        self.reason = reason
        self.detail = detail
        self.body = body
