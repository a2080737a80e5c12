"""Audit of one lane of one service: check that the outputs follow from the inputs."""

from collections.abc import Mapping

from cohost.audit.command_ledger import CommandLedger
from cohost.audit.dead_letters import DeadLetterCheck
from cohost.audit.inputs import LaneInputs
from cohost.audit.output_partition import OutputPartition
from cohost.audit.parsing import record_position
from cohost.audit.report import ReportBuilder
from cohost.audit.topology import COMMAND_ONLY_EVENTS, DeployedService, LogRecord, OffsetRange
from cohost_schemas import envelope, partitions
from cohost_schemas.envelope import Envelope
from cohost_schemas.events import InvitationExpired, InvitationSent
from cohost_schemas.rejections import CommandRejected

_REJECTED = envelope.wire_type(CommandRejected.__name__)
_EVENT_PAIR = tuple(envelope.wire_type(model.__name__) for model in (InvitationExpired, InvitationSent))
"""The only two events that one command can cause: sending an invitation closes an overdue one."""


class LaneAudit:
    """Check a lane: add every input record to `inputs`, check every output, then report missing outcomes.

    Records of one topic must arrive in log order. `offset_ranges` has all topics of the service by name.
    """

    def __init__(
        self,
        deployment: DeployedService,
        offset_ranges: Mapping[str, OffsetRange],
        ledger: CommandLedger,
        report: ReportBuilder,
    ) -> None:
        self.inputs = LaneInputs(deployment, offset_ranges, ledger)
        self._partition_count = deployment.partition_count
        self._ledger = ledger
        self._report = report
        self._letter_check = DeadLetterCheck(self.inputs, report)
        self._rejections_topic = deployment.rejections_topic
        self._dead_letters_topic = deployment.dead_letters_topic
        self._badges_topic = deployment.badges_topic
        self._outputs = {
            name: OutputPartition(offset_ranges[name], report, allows_gaps=name == self._badges_topic)
            for name in deployment.output_names
        }
        self._decided_at: dict[str, int] = {}

    def check_output(self, record: LogRecord) -> None:
        """Check an output record."""
        output = self._outputs[record.topic]
        if record.topic == self._dead_letters_topic:
            self._report.counts["dead_letters"] += 1
            output.check_sequence(record)
            self._letter_check.check_letter(record)
        elif record.value is None and record.topic == self._badges_topic:
            output.check_sequence(record)
        else:
            self._check_event(record, output)

    def report_missing_outcomes(self) -> None:
        """Report commands without an outcome and invalid records without a dead letter."""
        for command_id, ((offset, _), *_) in self.inputs.seen_commands.items():
            if command_id in self._decided_at:
                self._ledger.add_outcome(command_id, self._decided_at[command_id])
            elif self._can_be_past_retention(offset):
                self._report.add_unchecked("commands whose rejection may be past its retention")
            else:
                self._ledger.add_undecided(command_id, offset)
        self._letter_check.report_missing_letters(
            complete=self._outputs[self._dead_letters_topic].is_complete
        )

    def _check_event(self, record: LogRecord, output: OutputPartition) -> None:
        try:
            event = envelope.decode_event(record.value, record.headers)
        except envelope.NotACloudEvent as error:
            self._report.add_violation(f"{record_position(record)} is not a CloudEvent: {error}")
            return
        output.check_sequence(record, event)
        output.check_id(record, event)
        rejection = record.topic == self._rejections_topic
        if rejection != (event.type == _REJECTED):
            self._report.add_violation(f"{record_position(record)} has the type {event.type}")
        if rejection:
            self._report.counts["rejections"] += 1
        else:
            self._report.counts["events"] += record.topic != self._badges_topic
            self._check_partition(record, event)
        cause = event.causationid
        if cause is None:
            self._report.add_violation(f"{record_position(record)} has no causationid")
        elif rejection or not self._continues_previous(event, cause, output):
            self._check_cause(record, event, cause, output)
        output.remember_cause(cause, event.type)

    def _continues_previous(self, event: Envelope, cause: str, output: OutputPartition) -> bool:
        """Return whether an event belongs to the same outcome or effect as the event before it."""
        if cause != output.last_cause:
            return False
        command = cause in self.inputs.seen_commands and cause not in self.inputs.fact_ids
        return not command or (output.last_type, event.type) == _EVENT_PAIR

    def _check_partition(self, record: LogRecord, event: Envelope) -> None:
        """Check that an event is in the partition of its room and has the key of its subject."""
        room = event.subject or ""
        if partitions.partition_of(room, self._partition_count) != record.partition:
            self._report.add_violation(f"{record_position(record)} lies outside the partition of its room")
        if record.topic != self._badges_topic and record.key != room.encode():
            self._report.add_violation(f"{record_position(record)} has another key than its subject")

    def _check_cause(self, record: LogRecord, event: Envelope, cause: str, output: OutputPartition) -> None:
        is_command = cause in self.inputs.seen_commands
        is_fact = cause in self.inputs.fact_ids
        command_only = event.type in COMMAND_ONLY_EVENTS or event.type == _REJECTED
        if is_command and (command_only or not is_fact):
            self._add_outcome(record, cause, output)
        elif is_command:
            self._decided_at.setdefault(cause, record.timestamp)
            self._report.add_unchecked("events whose cause has the id of another record")
        elif is_fact and command_only:
            self._report.add_violation(
                f"{record_position(record)} is an outcome, but its cause {cause} is no command"
            )
        elif not is_fact:
            self._add_unknown_cause(record, cause, command_only=command_only)
        elif output.is_repeated_cause(cause) and cause not in self.inputs.repeated_facts:
            self._add_repetition(record, cause)

    def _add_outcome(self, record: LogRecord, cause: str, output: OutputPartition) -> None:
        if record.topic == self._badges_topic:
            return
        if cause in self._decided_at:
            self._ledger.add_second_outcome(cause, record.timestamp, f"at {record_position(record)}")
        self._decided_at.setdefault(cause, record.timestamp)
        output.check_command_order(record, self.inputs.command_offsets(cause))

    def _add_repetition(self, record: LogRecord, cause: str) -> None:
        if self.inputs.is_complete(commands=False):
            self._report.add_violation(f"{record_position(record)} repeats what {cause} caused")
        else:
            self._report.add_unchecked("repeated effects of facts of which some are not in the log any more")

    def _add_unknown_cause(self, record: LogRecord, cause: str, *, command_only: bool) -> None:
        complete = self.inputs.is_complete(commands=True) and (
            command_only or self.inputs.is_complete(commands=False)
        )
        if complete:
            self._report.add_violation(
                f"{record_position(record)} has a cause that is not in its lane: {cause}"
            )
        else:
            self._report.add_unchecked("events and rejections whose cause is not in the log any more")

    def _can_be_past_retention(self, offset: int) -> bool:
        rejections = self._outputs[self._rejections_topic]
        if rejections.is_complete:
            return False
        return rejections.first_command_offset is None or offset < rejections.first_command_offset
