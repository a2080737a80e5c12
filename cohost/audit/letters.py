"""Dead letters: every invalid record has exactly one, an unchanged copy in the same partition."""

from typing import NamedTuple

from cohost.audit.causes import Bad, Causes
from cohost.audit.findings import Findings
from cohost.audit.layout import Record
from cohost.audit.reading import position

_MARKS = frozenset(
    {
        "dead-letter-reason",
        "dead-letter-topic",
        "dead-letter-partition",
        "dead-letter-offset",
        "dead-letter-time",
        "sequence",
    }
)
_TRUNCATED = "dead-letter-truncated"


class Origin(NamedTuple):
    """The original place of the record, by the dead letter's headers."""

    topic: str
    partition: int
    offset: int


class Letters:
    """Check the dead letters of a lane."""

    def __init__(self, causes: Causes, findings: Findings) -> None:
        self._causes = causes
        self._findings = findings
        self._found: set[tuple[str, int]] = set()

    def check(self, letter: Record) -> None:
        """Check a dead letter against its original record."""
        origin = _origin(letter)
        if origin is None:
            self._findings.violation(f"{position(letter)} is a dead letter that does not name its record")
            return
        key = (origin.topic, origin.offset)
        missing = self._causes.missing(*key)
        if missing is None or origin.partition != letter.partition:
            self._findings.violation(f"{position(letter)} is the dead letter of a record of another lane")
            return
        if key in self._found and not self._causes.reread(origin.topic):
            self._findings.violation(
                f"{origin.topic}:{origin.partition}:{origin.offset} has two dead letters"
            )
        self._found.add(key)
        if key in self._causes.bad:
            self._compare(letter, self._causes.bad[key])
        elif missing:
            self._findings.unchecked("dead letters of records that are not in the log any more")
        else:
            self._findings.violation(f"{position(letter)} is the dead letter of a record that is not bad")

    def close(self, *, complete: bool) -> None:
        """Report invalid records without a letter; `complete` if the log still has all letters."""
        for key in sorted(self._causes.bad.keys() - self._found):
            bad = self._causes.bad[key]
            if complete:
                self._findings.violation(f"{position(bad.record)} ({bad.reason}) has no dead letter")
            else:
                self._findings.unchecked("bad records whose dead letter may be past its retention")

    def _compare(self, letter: Record, bad: Bad) -> None:
        marks = dict(letter.headers)
        reason = (marks["dead-letter-reason"] or b"").decode(errors="replace")
        if reason != bad.reason:
            self._findings.violation(f"{position(letter)} gives the reason {reason!r}, not {bad.reason!r}")
        same = _truncated(letter, bad.record) if _TRUNCATED in marks else _unchanged(letter, bad.record)
        if not same:
            self._findings.violation(f"{position(letter)} is not {position(bad.record)} as it was")


def _origin(letter: Record) -> Origin | None:
    """Return the origin in a letter's headers, None if a header is missing or invalid."""
    marks = dict(letter.headers)
    if not marks.keys() >= _MARKS:
        return None
    try:
        return Origin(
            (marks["dead-letter-topic"] or b"").decode(),
            int(marks["dead-letter-partition"] or b""),
            int(marks["dead-letter-offset"] or b""),
        )
    except ValueError:
        return None


def _unchanged(letter: Record, record: Record) -> bool:
    count = len(record.headers)
    return (
        letter.key == record.key
        and letter.value == record.value
        and tuple(letter.headers[:count]) == tuple(record.headers)
        and {name for name, _ in letter.headers[count:]} == _MARKS
    )


def _truncated(letter: Record, record: Record) -> bool:
    # If not even key and headers fit, the letter has only the dead-letter headers.
    kept = (letter.key, tuple(letter.headers[: len(record.headers)]))
    return (
        letter.value == b""
        and dict(letter.headers)[_TRUNCATED] == b"%d" % len(record.value or b"")
        and (kept == (record.key, tuple(record.headers)) or letter.key is None)
    )
