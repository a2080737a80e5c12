"""One output partition: dense sequences, and outcomes in the order of their commands."""

from collections.abc import Sequence

from cohost.audit.parsing import record_position
from cohost.audit.report import ReportBuilder
from cohost.audit.topology import LogRecord, OffsetRange
from cohost_schemas.envelope import Envelope, Headers


class OutputPartition:
    """Check the records of an output partition in log order, remembering the last cause and sequence."""

    def __init__(
        self, offset_range: OffsetRange, report: ReportBuilder, *, allows_gaps: bool = False
    ) -> None:
        self.is_complete = offset_range.begin == 0
        self._report = report
        self._allows_gaps = allows_gaps
        self._last_sequence = 0 if self.is_complete else None
        self.last_cause: str | None = None
        self.last_type: str | None = None
        self.last_command_offset = -1
        self.first_command_offset: int | None = None
        self._event_ids: set[str] = set()
        self._earlier_causes: set[str] = set()

    def check_sequence(self, record: LogRecord, event: Envelope | None = None) -> None:
        """Check a record's sequence against the previous one, and against its envelope if it has one."""
        sequence = sequence_header(record.headers)
        if sequence is None:
            self._report.add_violation(f"{record_position(record)} has no header 'sequence'")
            return
        if event is not None and event.sequence != f"{sequence:020d}":
            self._report.add_violation(
                f"{record_position(record)} has sequence {sequence} but says {event.sequence!r}"
            )
        previous, self._last_sequence = self._last_sequence, sequence
        if previous is None:
            return
        if sequence <= previous:
            self._report.add_violation(f"{record_position(record)} has sequence {sequence} after {previous}")
        elif sequence != previous + 1 and self._allows_gaps:
            self._report.add_unchecked("gaps among the badges, which compaction may have made")
        elif sequence != previous + 1:
            self._report.add_violation(
                f"{record_position(record)} has sequence {sequence}: {_describe_gap(previous, sequence)}"
            )

    def check_id(self, record: LogRecord, event: Envelope) -> None:
        """Check that no earlier record has the same id."""
        if event.id in self._event_ids:
            self._report.add_violation(f"{record_position(record)} has the id of another record: {event.id}")
        self._event_ids.add(event.id)

    def remember_cause(self, cause: str | None, event_type: str) -> None:
        """Remember the cause and type of the record just checked."""
        if self.last_cause is not None and cause != self.last_cause:
            self._earlier_causes.add(self.last_cause)
        self.last_cause, self.last_type = cause, event_type

    def is_repeated_cause(self, cause: str) -> bool:
        """Return whether the cause had records earlier, before records of other causes."""
        return cause in self._earlier_causes

    def check_command_order(self, record: LogRecord, offsets: Sequence[int]) -> None:
        """Check that the outcome's command, at one of `offsets`, lies behind that of the previous outcome."""
        offset = next(
            (candidate for candidate in offsets if candidate >= self.last_command_offset), offsets[0]
        )
        if self.first_command_offset is None:
            self.first_command_offset = offset
        if offset < self.last_command_offset:
            self._report.add_violation(
                f"{record_position(record)} answers the command at offset {offset}"
                f" after that at {self.last_command_offset}"
            )
        self.last_command_offset = max(self.last_command_offset, offset)


def sequence_header(headers: Headers) -> int | None:
    """Return the last `sequence` header: a dead letter also keeps those of its original record."""
    values: Sequence[bytes | None] = [value for name, value in headers if name == "sequence"]
    text = values[-1] if values else None
    return int(text) if text is not None and text.isdigit() else None


def _describe_gap(before: int, sequence: int) -> str:
    first, last = before + 1, sequence - 1
    return f"{first} is missing" if first == last else f"{first} to {last} are missing"
