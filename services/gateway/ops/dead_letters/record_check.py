"""Judge the record of a dead letter as the service that reads it does: by the service's own parser."""

from dataclasses import dataclass

from aiokafka import ConsumerRecord

from cohost_schemas.envelope import Headers
from cohost_schemas.ops.dead_letters import Verdict
from cohost_schemas.partitions import partition_of, partition_of_bytes
from cohost_schemas.topics import Topic
from messaging.inputs.explanation import explain_refusal
from messaging.inputs.parsing import ParsedRecord, RecordParser
from services.gateway.ops.dead_letters.letter import LETTER_TOPICS, REDRIVEN_FROM, Letter
from services.gateway.topology import TOPICS
from services.runtime import inputs

_INPUTS = inputs.INVITATIONS + inputs.BROADCAST


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """The record of a dead letter, perhaps mended, in the partition where it belongs, and its verdict.

    `event_id` is None for a tombstone and for what is not a CloudEvent.
    """

    letter: Letter
    topic: Topic
    partition: int
    key: bytes | None
    value: bytes | None
    verdict: Verdict
    explanation: str | None
    is_command: bool
    event_id: str | None

    @property
    def headers(self) -> Headers:
        """Return the record's own headers, and the one that names its dead letter."""
        service, partition, offset = self.letter.position
        prefix = self.letter.topic.removesuffix(self.topic.suffix)
        topic = LETTER_TOPICS[service].full_name(prefix)
        return [*self.letter.headers, (REDRIVEN_FROM, f"{topic}:{partition}:{offset}".encode())]


class RecordChecker:
    """Checks the records of dead letters, in topics of `partition_count` partitions."""

    def __init__(self, prefix: str, partition_count: int) -> None:
        self._partition_count = partition_count
        self._inputs = {entry.topic.full_name(prefix): entry for entry in _INPUTS}
        self._parser = RecordParser(_INPUTS, prefix, partition_count)

    def find_obstacle(self, letter: Letter) -> str | None:
        """Return why a dead letter cannot be redriven, whatever is mended in it; None if it can."""
        entry = self._inputs.get(letter.topic)
        if entry is None:
            return f"No service reads the topic {letter.topic}."
        if entry.topic not in TOPICS.outputs:
            return f"Only its service writes to the topic {letter.topic}."
        if letter.cut_bytes is not None:
            return f"Its value of {letter.cut_bytes} bytes was too large to be kept."
        return None

    def explain_letter(self, letter: Letter) -> str:
        """Return why a record became a dead letter, a line for each fault."""
        entry = self._inputs.get(letter.topic)
        if letter.cut_bytes is not None:
            return f"value: is not in the dead letter; it had {letter.cut_bytes} bytes"
        if entry is None:
            return f"topic: must be one that a service reads; it is {letter.topic}"
        parsed = self._parse(letter, letter.key, letter.value, letter.partition)
        explanation = explain_refusal(parsed, entry, self._partition_count)
        return explanation or "The services would accept the record as it is: their rules have changed."

    def check_record(self, letter: Letter, key: bytes | None, value: bytes | None) -> CheckedRecord:
        """Return a record that can be redriven as it would be written, and as its service would judge it."""
        entry = self._inputs[letter.topic]
        partition = letter.partition if key is None else partition_of_bytes(key, self._partition_count)
        parsed = self._parse(letter, key, value, partition)
        if parsed.rejection_reason == "wrong_partition" and parsed.subject is not None:
            # Of a command whose key and subject differ, the subject decides.
            partition = partition_of(parsed.subject, self._partition_count)
            parsed = self._parse(letter, key, value, partition)
        return CheckedRecord(
            letter=letter,
            topic=entry.topic,
            partition=partition,
            key=key,
            value=value,
            verdict=parsed.dead_letter_reason or parsed.rejection_reason or "ok",
            explanation=explain_refusal(parsed, entry, self._partition_count),
            is_command=entry.kind == "commands",
            event_id=parsed.envelope.id if parsed.envelope is not None else None,
        )

    def _parse(self, letter: Letter, key: bytes | None, value: bytes | None, partition: int) -> ParsedRecord:
        return self._parser.parse_record(
            ConsumerRecord(
                topic=letter.topic,
                partition=partition,
                offset=letter.offset,
                timestamp=0,
                timestamp_type=1,
                key=key,
                value=value,
                checksum=None,
                serialized_key_size=len(key or b""),
                serialized_value_size=len(value or b""),
                headers=letter.headers,
            )
        )
