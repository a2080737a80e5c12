"""One output partition: dense sequences, and outcomes in the order of their commands."""

from collections.abc import Sequence

from cohost.audit.findings import Findings
from cohost.audit.layout import Extent, Record
from cohost.audit.reading import position
from schemas.envelope import Envelope, Headers


class Track:
    """Check the records of an output partition in log order, remembering the last cause and sequence."""

    def __init__(self, extent: Extent, findings: Findings, *, gaps: bool = False) -> None:
        self.complete = extent.begin == 0
        self._findings = findings
        self._gaps = gaps
        self._last = 0 if self.complete else None
        self.cause: str | None = None
        self.type: str | None = None
        self.command = -1
        self.first_command: int | None = None
        self._ids: set[str] = set()
        self._past: set[str] = set()

    def sequence(self, record: Record, event: Envelope | None = None) -> None:
        """Check a record's sequence against the previous one, and against its envelope if it has one."""
        sequence = header(record.headers)
        if sequence is None:
            self._findings.violation(f"{position(record)} has no header 'sequence'")
            return
        if event is not None and event.sequence != f"{sequence:020d}":
            self._findings.violation(
                f"{position(record)} has sequence {sequence} but says {event.sequence!r}"
            )
        before, self._last = self._last, sequence
        if before is None:
            return
        if sequence <= before:
            self._findings.violation(f"{position(record)} has sequence {sequence} after {before}")
        elif sequence != before + 1 and self._gaps:
            self._findings.unchecked("gaps among the badges, which compaction may have made")
        elif sequence != before + 1:
            self._findings.violation(
                f"{position(record)} has sequence {sequence}: {_missing(before, sequence)}"
            )

    def identity(self, record: Record, event: Envelope) -> None:
        """Check that no earlier record has the same id."""
        if event.id in self._ids:
            self._findings.violation(f"{position(record)} has the id of another record: {event.id}")
        self._ids.add(event.id)

    def follow(self, cause: str | None, event_type: str) -> None:
        """Remember the cause and type of the record just checked."""
        if self.cause is not None and cause != self.cause:
            self._past.add(self.cause)
        self.cause, self.type = cause, event_type

    def again(self, cause: str) -> bool:
        """Return whether the cause had records earlier, before records of other causes."""
        return cause in self._past

    def command_at(self, record: Record, offsets: Sequence[int]) -> None:
        """Check that the outcome's command, at one of `offsets`, lies behind that of the previous outcome."""
        offset = next((each for each in offsets if each >= self.command), offsets[0])
        if self.first_command is None:
            self.first_command = offset
        if offset < self.command:
            self._findings.violation(
                f"{position(record)} answers the command at offset {offset} after that at {self.command}"
            )
        self.command = max(self.command, offset)


def header(headers: Headers) -> int | None:
    """Return the last `sequence` header: a dead letter also keeps those of its original record."""
    found: Sequence[bytes | None] = [value for name, value in headers if name == "sequence"]
    text = found[-1] if found else None
    return int(text) if text is not None and text.isdigit() else None


def _missing(before: int, sequence: int) -> str:
    first, last = before + 1, sequence - 1
    return f"{first} is missing" if first == last else f"{first} to {last} are missing"
