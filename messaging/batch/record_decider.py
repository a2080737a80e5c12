"""Decide single records: the records that they publish, and the outcomes of commands."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

from cohost_schemas import timestamps
from cohost_schemas.types import Message
from messaging.batch import encoder
from messaging.batch.encoder import RecordEncoder
from messaging.inputs.parsing import ParsedRecord
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord
from messaging.outcomes import OutcomeRow
from messaging.processor import PartialDecision, Processor, RejectedCommand, Rejection
from messaging.tracing.record_tracer import RecordTracer, set_outcome
from messaging.tracing.tracer import Span


@dataclass(slots=True)
class RecordDecisions:
    """The changes, outcomes and counts of a batch's decided records, beside the records that they publish.

    None of it may become visible before the commit, because the batch may be decided again. The keys of
    `command_counts` are a command's name ("-" if it cannot be read), and "accepted" or the reason of its
    rejection; those of `dead_letter_counts` are reasons. `is_partial` is set if the last record must be
    decided once more. `spans` are those of the records that are traced.
    """

    changes: Any
    outcomes: list[OutcomeRow] = field(default_factory=list)
    rejected_commands: list[RejectedCommand] = field(default_factory=list)
    command_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letter_counts: Counter[str] = field(default_factory=Counter)
    is_partial: bool = False
    spans: list[Span] = field(default_factory=list)


class RecordDecider:
    """Decides parsed records one by one, in the order of the calls."""

    def __init__(
        self, processor: Processor[Any], encoder: RecordEncoder, tracer: RecordTracer | None = None
    ) -> None:
        self._processor = processor
        self._encoder = encoder
        self._tracer = tracer
        self._summarize_command = processor.topology.summarize_command
        self._summarize_invalid_command = processor.topology.summarize_invalid_command

    def decide_record(
        self, lane: Lane, parsed: ParsedRecord, decisions: RecordDecisions
    ) -> list[EncodedRecord]:
        """Decide a record of this lane, add to `decisions`, and return the records to publish.

        The lane's sequences are advanced. The processor must have loaded what the record needs.
        """
        if self._tracer is not None and (span := self._tracer.begin_decision(parsed)) is not None:
            decisions.spans.append(span)
        if parsed.dead_letter_reason is not None:
            set_outcome(parsed.span, "dead_letter", parsed.dead_letter_reason)
            decisions.dead_letter_counts[parsed.dead_letter_reason] += 1
            return [self._encoder.encode_dead_letter(lane, parsed)]
        input_record = parsed.input_record
        if input_record is None:
            rejection = Rejection(parsed.rejection_reason or "invalid_command")
            return [self._reject_command(lane, parsed, rejection, decisions)]
        result = self._processor.decide(input_record, decisions.changes)
        if isinstance(result, Rejection):
            return [self._reject_command(lane, parsed, result, decisions)]
        decisions.is_partial = isinstance(result, PartialDecision)
        if parsed.span is not None:
            names = [type(output.data).__name__ for output in result if output.data is not None]
            set_outcome(parsed.span, "accepted", events=names)
        if parsed.is_command:
            command = cast("Message", input_record.data)
            events = [output.data for output in result]
            decisions.command_counts[type(command).__name__, "accepted"] += 1
            decisions.outcomes.append(
                (
                    parsed.id,
                    encoder.command_type(parsed),
                    input_record.timestamp,
                    *self._summarize_command(command, events),
                    ",".join([type(event).__name__ for event in events if event is not None]),
                    None,
                    None,
                    None,
                )
            )
        encode_output = self._encoder.encode_output
        return [encode_output(lane, parsed, input_record.timestamp, output) for output in result]

    def _reject_command(
        self, lane: Lane, parsed: ParsedRecord, rejection: Rejection, decisions: RecordDecisions
    ) -> EncodedRecord:
        set_outcome(parsed.span, "refused", rejection.reason)
        if parsed.input_record is not None:
            command, timestamp = cast("Message", parsed.input_record.data), parsed.input_record.timestamp
            name, summary = type(command).__name__, self._summarize_command(command, ())
        else:
            data = parsed.envelope.data if parsed.envelope is not None else None
            timestamp = timestamps.from_ms(parsed.raw_record.timestamp)
            name, summary = "-", self._summarize_invalid_command(data)
        decisions.command_counts[name, rejection.reason] += 1
        command_type = encoder.command_type(parsed)
        decisions.rejected_commands.append(RejectedCommand(command_type, parsed.id))
        decisions.outcomes.append(
            (
                parsed.id,
                command_type,
                timestamp,
                *summary,
                None,
                rejection.reason,
                parsed.detail,
                rejection.detail,
            )
        )
        return self._encoder.encode_rejection(lane, parsed, timestamp, rejection, summary)
