"""A log in memory, valid until a test damages it."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from cohost.audit.command_ledger import CommandLedger
from cohost.audit.lane import LaneAudit
from cohost.audit.report import Report, ReportBuilder
from cohost.audit.topology import SERVICES, DeployedService, LogRecord, OffsetRange
from cohost_schemas import envelope, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic

PREFIX = "forged."
PARTITIONS = 2
DAY_MS = 24 * 60 * 60 * 1000

COMMANDS = "forged.invitations.commands"
EVENTS = "forged.invitations.events"
REJECTIONS = "forged.invitations.rejections"
DEAD_LETTERS = "forged.invitations.dead-letters"

ROOM = next(f"room-{number}" for number in range(100) if partition_of(f"room-{number}", PARTITIONS) == 0)
OTHER_ROOM = next(
    f"room-{number}" for number in range(100) if partition_of(f"room-{number}", PARTITIONS) == 1
)

AT = "2026-01-01T12:00:00.000Z"
INVITATION = {
    "invitationId": "send-1",
    "userId": "bob",
    "invitedBy": "alice",
    "status": "pending",
    "sentAt": AT,
    "expiresAt": AT,
    "updatedAt": AT,
}
DATA: dict[str, dict[str, Any]] = {
    "StageChanged": {"hostId": "alice", "status": "live", "open": True, "maxCoHosts": 5},
    "CoHostLeft": {"userId": "bob", "invitationId": "send-1", "reason": "left", "leftAt": AT},
    "StageArranged": {"userIds": ["bob"], "arrangedBy": "alice", "arrangedAt": AT},
    "BadgeChanged": {"userId": "bob", "badge": "coHost", "since": AT},
}


@dataclass
class ForgedLog:
    """Records by (topic, partition); `begin_offsets` holds the first available offset where it is not 0."""

    records: dict[tuple[str, int], list[LogRecord]] = field(default_factory=lambda: defaultdict(list))
    begin_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    sequences: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    now: int = 1_000_000

    def append_record(
        self,
        topic: Topic,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
    ) -> LogRecord:
        place = (topic.full_name(PREFIX), partition)
        record = LogRecord(*place, self.next_offset(topic, partition), self.now, key, value, headers)
        self.records[place].append(record)
        return record

    def append_command(self, identifier: str, room: str = ROOM, name: str = "LeaveStage") -> LogRecord:
        return self.append_input(topics.INVITATION_COMMANDS, identifier, name, room)

    def append_input(self, topic: Topic, identifier: str, name: str, room: str, **data: Any) -> LogRecord:
        event = _cloud_event(identifier, name, room, data)
        headers: list[tuple[str, bytes | None]] = [("content-type", envelope.CONTENT_TYPE)]
        partition = partition_of(room, PARTITIONS)
        return self.append_record(topic, partition, room.encode(), envelope.encode_event(event), headers)

    def append_output(
        self,
        cause: str,
        name: str = "CoHostLeft",
        room: str = ROOM,
        topic: Topic = topics.INVITATION_EVENTS,
        *,
        partition: int | None = None,
    ) -> LogRecord:
        place = partition_of(room, PARTITIONS) if partition is None else partition
        sequence = self.next_sequence(topic, place)
        number = self.next_offset(topic, place) + 1
        event = _cloud_event(f"event-{topic.suffix}-{place}-{number}", name, room, DATA.get(name, INVITATION))
        event |= {"causationid": cause, "sequence": f"{sequence:020d}"}
        return self.append_record(
            topic, place, room.encode(), envelope.encode_event(event), [_sequence_header(sequence)]
        )

    def append_rejection(self, cause: str, room: str = ROOM, *, partition: int | None = None) -> LogRecord:
        return self.append_output(
            cause, "CommandRejected", room, topics.INVITATION_REJECTIONS, partition=partition
        )

    def append_tombstone(self, key: str, partition: int = 0) -> LogRecord:
        return self.append_record(topics.ROOMS, partition, key.encode(), None, [])

    def append_dead_letter(
        self, record: LogRecord, reason: str = "not_a_cloud_event", **change: Any
    ) -> LogRecord:
        topic = topics.INVITATION_DEAD_LETTERS
        sequence = self.next_sequence(topic, record.partition)
        marks = [
            ("dead-letter-reason", reason.encode()),
            ("dead-letter-topic", record.topic.encode()),
            ("x-original-topic", change.get("original_topic", record.topic).encode()),
            ("dead-letter-partition", b"%d" % record.partition),
            ("dead-letter-offset", b"%d" % record.offset),
            ("dead-letter-time", b"2026-01-01T12:00:00.000Z"),
            _sequence_header(sequence),
        ]
        key, value = change.get("key", record.key), change.get("value", record.value)
        headers = [*change.get("headers", record.headers), *marks, *change.get("more", [])]
        return self.append_record(topic, record.partition, key, value, headers)

    def next_offset(self, topic: Topic, partition: int) -> int:
        """Return the next offset of a partition."""
        records = self.records[topic.full_name(PREFIX), partition]
        return records[-1].offset + 1 if records else 0

    def next_sequence(self, topic: Topic, partition: int) -> int:
        """Return the next sequence of a partition, including any skew."""
        place = (topic.full_name(PREFIX), partition)
        self.sequences[place] += 1
        return self.sequences[place]

    def skew_sequence(self, topic: Topic, partition: int, step: int) -> None:
        """Shift the following sequences of a partition by `step`."""
        self.sequences[topic.full_name(PREFIX), partition] += step

    def drop_before(self, topic: Topic, partition: int, begin: int) -> None:
        """Delete the records before an offset, as retention does."""
        place = (topic.full_name(PREFIX), partition)
        self.begin_offsets[place] = begin
        self.records[place] = [record for record in self.records[place] if record.offset >= begin]

    def run_audit(self) -> Report:
        """Run the audit's checks over the log."""
        findings = ReportBuilder()
        for service in SERVICES:
            deployment = DeployedService(service, PREFIX, PARTITIONS)
            ledger = CommandLedger(deployment.commands_topic, findings)
            for number in range(PARTITIONS):
                self._audit_lane(deployment, number, ledger, findings)
            ledger.report_outcomes()
        return findings.build_report()

    def violations(self) -> list[str]:
        """Return the violations found by the audit."""
        return self.run_audit().violations

    def _audit_lane(
        self, deployment: DeployedService, number: int, ledger: CommandLedger, findings: ReportBuilder
    ) -> None:
        names = (*deployment.inputs_by_name, *deployment.output_names)
        lane = LaneAudit(
            deployment, {name: self._offset_range(name, number) for name in names}, ledger, findings
        )
        for name in deployment.inputs_by_name:
            for record in self.records[name, number]:
                lane.inputs.add_record(record)
        for name in deployment.output_names:
            for record in self.records[name, number]:
                lane.check_output(record)
        lane.report_missing_outcomes()

    def _offset_range(self, name: str, number: int) -> OffsetRange:
        records = self.records[name, number]
        begin = self.begin_offsets.get((name, number), 0)
        return OffsetRange(begin, records[-1].offset + 1 if records else begin)


def _cloud_event(identifier: str, name: str, room: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": "/forged",
        "type": envelope.wire_type(name),
        "subject": room,
        "data": {"roomId": room, **data},
    }


def _sequence_header(sequence: int) -> tuple[str, bytes]:
    return ("sequence", b"%d" % sequence)
