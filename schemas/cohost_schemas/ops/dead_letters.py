"""HTTP bodies of the gateway about dead letters, for ops (contract, section 5)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Strict

from cohost_schemas.ops.state import ServiceName
from cohost_schemas.types import Count, Message, Text

LetterReason = Literal["not_a_cloud_event", "wrong_partition", "unknown_fact", "invalid_fact"]
Verdict = Literal[
    "ok",
    "not_a_cloud_event",
    "wrong_partition",
    "unknown_fact",
    "invalid_fact",
    "unknown_command",
    "invalid_command",
    "not_redrivable",
    "dead_letter_not_found",
]
"""`ok`, the reason with which the services would refuse the record again, or why there is no such record."""


class DeadLetter(Message):
    """A dead letter: its place `<service>:<partition>:<offset>`, and the record that it is a copy of.

    `topic`, `partition` and `offset` are those of the record, `at` is its broker time. `key` is null if there
    is none, or none in UTF-8; `bytes` is the size of the value, before it was cut off where `isTruncated`.
    """

    id: str
    service: ServiceName
    reason: LetterReason
    topic: str
    partition: Count
    offset: Count
    at: str
    key: str | None = None
    bytes: Count
    is_truncated: bool


class RecordHeader(Message):
    """A header of a record; `text` is null where it is not UTF-8, both where the header is null."""

    name: str
    text: str | None = None
    base64: str | None = None


class DeadLetterDetails(DeadLetter):
    """A dead letter with its value and headers; `text` is null where the value is not UTF-8.

    `base64` is null for a tombstone, whose value is null. `explanation` names the attribute or field, what it
    must be and what it is. `whyNot` is null where `canRedrive`.
    """

    text: str | None = None
    base64: str | None = None
    headers: Annotated[tuple[RecordHeader, ...], Strict(strict=False)]
    explanation: str
    can_redrive: bool
    why_not: str | None = None


class RedriveRequest(Message):
    """A redrive of a dead letter, whose value (as text or as bytes) and key may be replaced."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = None
    base64: str | None = None
    key: Text | None = None
    dry_run: bool | None = None


class RedriveManyRequest(Message):
    """Dead letters to redrive as they are."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[tuple[str, ...], Strict(strict=False), Field(min_length=1, max_length=100)]
    dry_run: bool | None = None


class RedriveResult(Message):
    """The result of a redrive or of its dry run; `topic` and `partition` are where the record belongs.

    `commandId` is the id of a command, which has one outcome however often it is redriven. `causationId` is
    the `causationid` of what follows from the record; of a tombstone it is known once it is written.
    """

    id: str
    written: bool
    verdict: Verdict
    explanation: str | None = None
    topic: str | None = None
    partition: Count | None = None
    command_id: str | None = None
    causation_id: str | None = None
    warning: str | None = None


class RedriveResults(Message):
    """The results of a redrive of many dead letters, in the order in which they were named."""

    items: Annotated[tuple[RedriveResult, ...], Strict(strict=False)]
