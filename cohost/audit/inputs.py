"""Inputs of a lane: commands by id, fact ids, and invalid records."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cohost.audit.command_ledger import CommandLedger
from cohost.audit.parsing import InputParser
from cohost.audit.topology import DeployedService, LogRecord, OffsetRange
from cohost_schemas.ids import COMMAND_ID_RETENTION_MS


class InvalidRecord(NamedTuple):
    """An invalid record and the reason that its dead letter must give."""

    record: LogRecord
    reason: str


class SeenCommand(NamedTuple):
    """Offset and timestamp (milliseconds since the epoch) of a command record."""

    offset: int
    timestamp: int


class LaneInputs:
    """The inputs of one lane; each topic's records are added in log order.

    `seen_commands` has all records of each command id, `repeated_facts` the fact ids that came twice or more.
    """

    def __init__(
        self, deployment: DeployedService, offset_ranges: Mapping[str, OffsetRange], ledger: CommandLedger
    ) -> None:
        self._offset_ranges = offset_ranges
        self._ledger = ledger
        self._parsers = {
            name: InputParser(input_topic, deployment.partition_count)
            for name, input_topic in deployment.inputs_by_name.items()
        }
        self._kinds = {name: entry.kind for name, entry in deployment.inputs_by_name.items()}
        self._read_counts: Counter[str] = Counter()
        self.seen_commands: dict[str, tuple[SeenCommand, ...]] = {}
        self.fact_ids: set[str] = set()
        self.repeated_facts: set[str] = set()
        self.invalid_records: dict[tuple[str, int], InvalidRecord] = {}
        if offset_ranges[deployment.commands_topic].begin > 0:
            ledger.mark_truncated()

    def add_record(self, record: LogRecord) -> None:
        """Add an input record."""
        self._read_counts[record.topic] += 1
        cause_id, dead_letter_reason = self._parsers[record.topic].parse_record(record)
        if dead_letter_reason is not None:
            self.invalid_records[record.topic, record.offset] = InvalidRecord(record, dead_letter_reason)
        elif cause_id is None:
            return
        elif self._kinds[record.topic] == "commands":
            self.seen_commands[cause_id] = (
                *self.seen_commands.get(cause_id, ()),
                SeenCommand(record.offset, record.timestamp),
            )
            self._ledger.add_command(cause_id, record.timestamp)
        elif cause_id in self.fact_ids:
            self.repeated_facts.add(cause_id)
        else:
            self.fact_ids.add(cause_id)

    def command_offsets(self, command_id: str) -> list[int]:
        """Return the offsets an outcome can belong to: the first, and any more than a week after it."""
        first, *later = self.seen_commands[command_id]
        return [
            first.offset,
            *(seen.offset for seen in later if seen.timestamp - first.timestamp > COMMAND_ID_RETENTION_MS),
        ]

    def is_complete(self, *, commands: bool) -> bool:
        """Return whether the log still has all commands, or all other inputs, that the lane ever had."""
        return all(
            self._is_whole(topic) for topic, kind in self._kinds.items() if (kind == "commands") is commands
        )

    def can_be_missing(self, topic: str, offset: int) -> bool | None:
        """Return whether an unread record may have existed; None for a topic that is not an input."""
        if topic not in self._kinds:
            return None
        if offset < self._offset_ranges[topic].begin:
            return True
        return self.is_compacted(topic) and not self._is_whole(topic)

    def can_be_reread(self, topic: str) -> bool:
        """Return whether a service that lost part of this input may have read the rest of it twice."""
        return self._kinds[topic] != "commands" and self._offset_ranges[topic].begin > 0

    def _is_whole(self, topic: str) -> bool:
        offset_range = self._offset_ranges[topic]
        gaps = self.is_compacted(topic) and self._read_counts[topic] < offset_range.end - offset_range.begin
        return offset_range.begin == 0 and not gaps

    def is_compacted(self, topic: str) -> bool:
        """Return whether the broker may remove records between others of this input."""
        return self._kinds[topic] == "facts"
