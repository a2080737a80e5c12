"""Audit of one lane of one service: check that the outputs follow from the inputs."""

from collections.abc import Mapping

from cohost.audit.causes import Causes
from cohost.audit.findings import Findings
from cohost.audit.layout import COMMANDS_ONLY, Deployment, Extent, Record
from cohost.audit.ledger import Ledger
from cohost.audit.letters import Letters
from cohost.audit.reading import position
from cohost.audit.track import Track
from schemas import envelope, partitions
from schemas.envelope import Envelope
from schemas.events import InvitationExpired, InvitationSent
from schemas.rejections import CommandRejected

_REJECTED = envelope.type_of(CommandRejected.__name__)
_TOGETHER = tuple(envelope.type_of(model.__name__) for model in (InvitationExpired, InvitationSent))
"""The only two events that one command can cause: sending an invitation closes an overdue one."""


class Lane:
    """Check a lane: add every input record to `inputs`, check every output, then report missing outcomes.

    Records of one topic must arrive in log order. `offset_ranges` has all topics of the service by name.
    """

    def __init__(
        self, deployment: Deployment, extents: Mapping[str, Extent], ledger: Ledger, findings: Findings
    ) -> None:
        self.causes = Causes(deployment, extents, ledger)
        self._count = deployment.partitions
        self._ledger = ledger
        self._findings = findings
        self._letters = Letters(self.causes, findings)
        self._rejections = deployment.rejections
        self._dead_letters = deployment.dead_letters
        self._badges = deployment.badges
        self._tracks = {
            name: Track(extents[name], findings, gaps=name == self._badges) for name in deployment.outputs
        }
        self._decided: dict[str, int] = {}

    def check(self, record: Record) -> None:
        """Check an output record."""
        track = self._tracks[record.topic]
        if record.topic == self._dead_letters:
            self._findings.counts["dead_letters"] += 1
            track.sequence(record)
            self._letters.check(record)
        elif record.value is None and record.topic == self._badges:
            track.sequence(record)
        else:
            self._event(record, track)

    def close(self) -> None:
        """Report commands without an outcome and invalid records without a dead letter."""
        for identifier, ((offset, _), *_) in self.causes.commands.items():
            if identifier in self._decided:
                self._ledger.decided(identifier, self._decided[identifier])
            elif self._may_be_past(offset):
                self._findings.unchecked("commands whose rejection may be past its retention")
            else:
                self._ledger.undecided(identifier, offset)
        self._letters.close(complete=self._tracks[self._dead_letters].complete)

    def _event(self, record: Record, track: Track) -> None:
        try:
            event = envelope.decode(record.value, record.headers)
        except envelope.NotACloudEvent as error:
            self._findings.violation(f"{position(record)} is not a CloudEvent: {error}")
            return
        track.sequence(record, event)
        track.identity(record, event)
        rejection = record.topic == self._rejections
        if rejection != (event.type == _REJECTED):
            self._findings.violation(f"{position(record)} has the type {event.type}")
        if rejection:
            self._findings.counts["rejections"] += 1
        else:
            self._findings.counts["events"] += record.topic != self._badges
            self._place(record, event)
        cause = event.causationid
        if cause is None:
            self._findings.violation(f"{position(record)} has no causationid")
        elif rejection or not self._continues(event, cause, track):
            self._outcome(record, event, cause, track)
        track.follow(cause, event.type)

    def _continues(self, event: Envelope, cause: str, track: Track) -> bool:
        """Return whether an event belongs to the same outcome or effect as the event before it."""
        if cause != track.cause:
            return False
        command = cause in self.causes.commands and cause not in self.causes.facts
        return not command or (track.type, event.type) == _TOGETHER

    def _place(self, record: Record, event: Envelope) -> None:
        """Check that an event is in the partition of its room and has the key of its subject."""
        room = event.subject or ""
        if partitions.partition_of(room, self._count) != record.partition:
            self._findings.violation(f"{position(record)} lies outside the partition of its room")
        if record.topic != self._badges and record.key != room.encode():
            self._findings.violation(f"{position(record)} has another key than its subject")

    def _outcome(self, record: Record, event: Envelope, cause: str, track: Track) -> None:
        command = cause in self.causes.commands
        known = cause in self.causes.facts
        only_commands = event.type in COMMANDS_ONLY or event.type == _REJECTED
        if command and (only_commands or not known):
            self._decide(record, cause, track)
        elif command:
            self._decided.setdefault(cause, record.timestamp)
            self._findings.unchecked("events whose cause has the id of another record")
        elif known and only_commands:
            self._findings.violation(f"{position(record)} is an outcome, but its cause {cause} is no command")
        elif not known:
            self._uncaused(record, cause, only_commands=only_commands)
        elif track.again(cause) and cause not in self.causes.again:
            self._repeated(record, cause)

    def _decide(self, record: Record, cause: str, track: Track) -> None:
        if record.topic == self._badges:
            return
        if cause in self._decided:
            self._ledger.second(cause, record.timestamp, f"at {position(record)}")
        self._decided.setdefault(cause, record.timestamp)
        track.command_at(record, self.causes.offsets(cause))

    def _repeated(self, record: Record, cause: str) -> None:
        if self.causes.complete(commands=False):
            self._findings.violation(f"{position(record)} repeats what {cause} caused")
        else:
            self._findings.unchecked("repeated effects of facts of which some are not in the log any more")

    def _uncaused(self, record: Record, cause: str, *, only_commands: bool) -> None:
        complete = self.causes.complete(commands=True) and (
            only_commands or self.causes.complete(commands=False)
        )
        if complete:
            self._findings.violation(f"{position(record)} has a cause that is not in its lane: {cause}")
        else:
            self._findings.unchecked("events and rejections whose cause is not in the log any more")

    def _may_be_past(self, offset: int) -> bool:
        rejections = self._tracks[self._rejections]
        if rejections.complete:
            return False
        return rejections.first_command is None or offset < rejections.first_command
