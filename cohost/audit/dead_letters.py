"""Dead letters: every invalid record has exactly one, an unchanged copy in the same partition."""

from typing import NamedTuple

from cohost.audit.inputs import InvalidRecord, LaneInputs
from cohost.audit.parsing import record_position
from cohost.audit.report import ReportBuilder
from cohost.audit.topology import LogRecord
from cohost.kafka.record_batches import OversizedRecord

_LETTER_HEADERS = frozenset(
    {
        "dead-letter-reason",
        "dead-letter-topic",
        "dead-letter-partition",
        "dead-letter-offset",
        "dead-letter-time",
        "sequence",
    }
)
_TRUNCATED_HEADER = "dead-letter-truncated"
_ORIGINAL_TOPIC_HEADER = "x-original-topic"
"""Lacking in older dead letters."""


class LetterOrigin(NamedTuple):
    """The original partition of the record, by the dead letter's headers."""

    topic: str
    partition: int
    offset: int


class DeadLetterCheck:
    """Check the dead letters of a lane."""

    def __init__(self, inputs: LaneInputs, report: ReportBuilder) -> None:
        self._inputs = inputs
        self._report = report
        self._seen_origins: set[tuple[str, int]] = set()

    def check_letter(self, letter: LogRecord) -> None:
        """Check a dead letter against its original record."""
        origin = _parse_origin(letter)
        if origin is None:
            self._report.add_violation(
                f"{record_position(letter)} is a dead letter that does not name its record"
            )
            return
        key = (origin.topic, origin.offset)
        missing = self._inputs.can_be_missing(*key)
        if missing is None or origin.partition != letter.partition:
            self._report.add_violation(
                f"{record_position(letter)} is the dead letter of a record of another lane"
            )
            return
        if key in self._seen_origins and not self._inputs.can_be_reread(origin.topic):
            self._report.add_violation(
                f"{origin.topic}:{origin.partition}:{origin.offset} has two dead letters"
            )
        self._seen_origins.add(key)
        if key in self._inputs.invalid_records:
            self._compare_letter(letter, self._inputs.invalid_records[key])
        elif missing:
            self._report.add_unchecked("dead letters of records that are not in the log any more")
        elif _has_only_letter_headers(letter) and self._inputs.is_compacted(origin.topic):
            self._report.add_unchecked("dead letters of batches that compaction may have made small enough")
        else:
            self._report.add_violation(f"{record_position(letter)} is the dead letter of a valid record")

    def report_missing_letters(self, *, complete: bool) -> None:
        """Report invalid records without a letter; `complete` if the log still has all letters."""
        for key in sorted(self._inputs.invalid_records.keys() - self._seen_origins):
            invalid = self._inputs.invalid_records[key]
            if complete:
                self._report.add_violation(
                    f"{record_position(invalid.record)} ({invalid.reason}) has no dead letter"
                )
            else:
                self._report.add_unchecked("invalid records whose dead letter may be past its retention")

    def _compare_letter(self, letter: LogRecord, invalid: InvalidRecord) -> None:
        headers = dict(letter.headers)
        reason = (headers["dead-letter-reason"] or b"").decode(errors="replace")
        if reason != invalid.reason:
            self._report.add_violation(
                f"{record_position(letter)} gives the reason {reason!r}, not {invalid.reason!r}"
            )
        if isinstance(invalid.record, OversizedRecord):
            is_copy = self._is_letter_of_batch(letter, invalid.record)
        elif _TRUNCATED_HEADER in headers:
            is_copy = _is_truncated_copy(letter, invalid.record)
        else:
            is_copy = _is_unchanged(letter, invalid.record)
        if not is_copy:
            self._report.add_violation(
                f"{record_position(letter)} is not a copy of {record_position(invalid.record)}"
            )

    def _is_letter_of_batch(self, letter: LogRecord, record: OversizedRecord) -> bool:
        """Return whether a letter has nothing but the size of a batch that was not unpacked."""
        size = dict(letter.headers).get(_TRUNCATED_HEADER)
        return _has_only_letter_headers(letter) and (
            size == b"%d" % record.batch_bytes or self._inputs.is_compacted(record.topic)
        )


def _parse_origin(letter: LogRecord) -> LetterOrigin | None:
    """Return the origin in a letter's headers, None if a header is missing or invalid."""
    headers = dict(letter.headers)
    if not headers.keys() >= _LETTER_HEADERS:
        return None
    try:
        return LetterOrigin(
            (headers["dead-letter-topic"] or b"").decode(),
            int(headers["dead-letter-partition"] or b""),
            int(headers["dead-letter-offset"] or b""),
        )
    except ValueError:
        return None


def _is_unchanged(letter: LogRecord, record: LogRecord) -> bool:
    count = len(record.headers)
    added = dict(letter.headers[count:])
    topic = record.topic.encode()
    return (
        letter.key == record.key
        and letter.value == record.value
        and tuple(letter.headers[:count]) == tuple(record.headers)
        and added.pop(_ORIGINAL_TOPIC_HEADER, topic) == topic
        and added.keys() == _LETTER_HEADERS
    )


def _has_only_letter_headers(letter: LogRecord) -> bool:
    names = {name for name, _ in letter.headers} - {_ORIGINAL_TOPIC_HEADER}
    return letter.key is None and letter.value == b"" and names == {*_LETTER_HEADERS, _TRUNCATED_HEADER}


def _is_truncated_copy(letter: LogRecord, record: LogRecord) -> bool:
    # If not even key and headers fit, the letter has only the dead-letter headers.
    kept = (letter.key, tuple(letter.headers[: len(record.headers)]))
    return (
        letter.value == b""
        and dict(letter.headers)[_TRUNCATED_HEADER] == b"%d" % len(record.value or b"")
        and (kept == (record.key, tuple(record.headers)) or letter.key is None)
    )
