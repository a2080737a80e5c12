"""A dead letter as its headers describe it: the record that it is a copy of, and why it is one."""

import base64
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from cohost_schemas import timestamps, topics
from cohost_schemas.envelope import Headers
from cohost_schemas.ops.dead_letters import DeadLetter, LetterReason, RecordHeader
from cohost_schemas.ops.state import ServiceName
from cohost_schemas.topics import Topic

LETTER_TOPICS: dict[ServiceName, Topic] = {
    "invitations": topics.INVITATION_DEAD_LETTERS,
    "broadcast": topics.BROADCAST_DEAD_LETTERS,
}
REDRIVEN_FROM = "x-redriven-from"
"""The header of a redriven record with the position of its dead letter."""

_REASONS: tuple[LetterReason, ...] = get_args(LetterReason)
_FIRST_HEADER = "dead-letter-reason"
"""The first of the headers that the service has added to those of the record."""
_SERVICE_PREFIX = "dead-letter-"
_SERVICE_HEADERS = ("x-original-topic", REDRIVEN_FROM)
_match_position = re.compile(
    r"(invitations|broadcast):(0|[1-9]\d{0,8}):(0|[1-9]\d{0,17})", re.ASCII
).fullmatch
_match_number = re.compile(r"\d{1,18}", re.ASCII).fullmatch


class LetterPosition(NamedTuple):
    """The place of a dead letter: its id is `<service>:<partition>:<offset>`."""

    service: ServiceName
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.service}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `topic`, `partition` and `offset` are those of the record that it is a copy of.

    `headers` are the record's own, `all_headers` those of the dead letter. `written_ms` is when the dead
    letter was written, `at` the record's broker time. `cut_bytes` is the size of a value that was cut off.
    """

    position: LetterPosition
    written_ms: int
    reason: LetterReason
    topic: str
    partition: int
    offset: int
    at: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    all_headers: Headers
    cut_bytes: int | None

    def summary(self) -> DeadLetter:
        """Return the dead letter as a list shows it."""
        return DeadLetter(
            id=str(self.position),
            service=self.position.service,
            reason=self.reason,
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            at=self.at,
            key=decode_text(self.key),
            bytes=len(self.value or b"") if self.cut_bytes is None else self.cut_bytes,
            is_truncated=self.cut_bytes is not None,
        )


def parse_position(letter_id: str) -> LetterPosition | None:
    """Return the position that an id names, None if it is no id of a dead letter."""
    match = _match_position(letter_id)
    if match is None:
        return None
    service: Any = match[1]
    return LetterPosition(service, int(match[2]), int(match[3]))


def parse_letter(record: Any, service: ServiceName) -> Letter | None:
    """Return the dead letter in a record, None if its headers are not those that the services write."""
    count = max(
        (number for number, (name, _) in enumerate(record.headers) if name == _FIRST_HEADER), default=-1
    )
    added = {name: decode_text(value) or "" for name, value in record.headers[max(count, 0) :]}
    cut = added.get("dead-letter-truncated")
    try:
        timestamps.to_ms(added["dead-letter-time"])
        return Letter(
            position=LetterPosition(service, record.partition, record.offset),
            written_ms=record.timestamp,
            reason=_REASONS[_REASONS.index(added[_FIRST_HEADER])],
            topic=added["dead-letter-topic"],
            partition=_parse_number(added["dead-letter-partition"]),
            offset=_parse_number(added["dead-letter-offset"]),
            at=added["dead-letter-time"],
            key=record.key,
            value=record.value,
            headers=[header for header in record.headers[:count] if not _is_of_service(header[0])],
            all_headers=record.headers,
            cut_bytes=None if cut is None else _parse_number(cut),
        )
    except (KeyError, ValueError):
        return None


def _parse_number(text: str) -> int:
    """Return a number as the services write it. Raises `ValueError`."""
    if _match_number(text) is None:
        raise ValueError(text)
    return int(text)


def show_header(name: str, value: bytes | None) -> RecordHeader:
    """Return a header as it is shown."""
    return RecordHeader(name=name, text=decode_text(value), base64=encode_base64(value))


def decode_text(value: bytes | None) -> str | None:
    """Return bytes as text, None if they are absent or not UTF-8."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def encode_base64(value: bytes | None) -> str | None:
    """Return bytes in base64, None if they are absent."""
    return None if value is None else base64.b64encode(value).decode()


def _is_of_service(name: str) -> bool:
    return name.startswith(_SERVICE_PREFIX) or name in _SERVICE_HEADERS
