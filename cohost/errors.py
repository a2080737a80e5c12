"""Exceptions of commands, facts, reads and streams."""

from typing import Any

from cohost.kafka.errors import PositionLost
from cohost_schemas.envelope import Envelope
from cohost_schemas.invitation import Invitation

__all__ = ["NotConfirmed", "OutcomeUnknown", "PositionLost", "ProblemError", "Rejected"]


class Rejected(Exception):
    """The command was refused and changed nothing.

    `reason` is one of the contract's rejection reasons, `message` a sentence for a person. `current` is the
    stored invitation, if the command named one that its actor may see. `retry_at` is the time from which
    `too_soon` no longer holds. `envelope` is the rejection record, None if the rejection was known only over
    HTTP; then `current` and `retry_at` are None too.
    """

    def __init__(  # noqa: PLR0913 - the fields of the rejection
        self,
        command_id: str,
        reason: str,
        message: str,
        *,
        current: Invitation | None = None,
        retry_at: str | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.command_id = command_id
        self.reason = reason
        self.message = message
        self.current = current
        self.retry_at = retry_at
        self.envelope = envelope


class OutcomeUnknown(Exception):
    """The timeout expired, or the client was closed, before the command's outcome arrived.

    `published` is True if Kafka confirmed the command (at `partition` and `offset`; its id has or will have
    exactly one outcome), False if it was never sent to Kafka, None if that is unknown. In every case a
    retry with `command_id=error.command_id` is safe: it returns the one outcome of that id.
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
            None: "possibly published",
        }[published]
        super().__init__(f"the outcome of command {command_id} is unknown; the command was {known}")
        self.command_id = command_id
        self.published = published
        self.partition = partition
        self.offset = offset


class NotConfirmed(Exception):
    """Kafka did not confirm a fact in time; writing it again is safe."""


class ProblemError(Exception):
    """A service answered a read with RFC 9457 problem details; `reason` is one of the contract's reasons."""

    def __init__(self, status: int, reason: str, detail: str | None, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {reason}" + (f": {detail}" if detail else ""))
        self.status = status
        self.reason = reason
        self.detail = detail
        self.body = body
