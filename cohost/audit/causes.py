"""Inputs of a lane: commands by id, fact ids, and invalid records."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cohost.audit.layout import Deployment, Extent, Record
from cohost.audit.ledger import Ledger
from cohost.audit.reading import Reader
from schemas.ids import REMEMBERED_MS


class Bad(NamedTuple):
    """An invalid record and the reason that its dead letter must give."""

    record: Record
    reason: str


class Met(NamedTuple):
    """Offset and timestamp (milliseconds since the epoch) of a command record."""

    offset: int
    timestamp: int


class Causes:
    """The inputs of one lane; each topic's records are added in log order.

    `seen_commands` has all records of each command id, `repeated_facts` the fact ids that came twice or more.
    """

    def __init__(self, deployment: Deployment, extents: Mapping[str, Extent], ledger: Ledger) -> None:
        self._extents = extents
        self._ledger = ledger
        self._readers = {
            name: Reader(entry, deployment.partitions) for name, entry in deployment.inputs.items()
        }
        self._kinds = {name: entry.kind for name, entry in deployment.inputs.items()}
        self._read: Counter[str] = Counter()
        self.commands: dict[str, tuple[Met, ...]] = {}
        self.facts: set[str] = set()
        self.again: set[str] = set()
        self.bad: dict[tuple[str, int], Bad] = {}
        if extents[deployment.commands].begin > 0:
            ledger.cut()

    def take(self, record: Record) -> None:
        """Add an input record."""
        self._read[record.topic] += 1
        cause, dead = self._readers[record.topic].read(record)
        if dead is not None:
            self.bad[record.topic, record.offset] = Bad(record, dead)
        elif cause is None:
            return
        elif self._kinds[record.topic] == "commands":
            self.commands[cause] = (*self.commands.get(cause, ()), Met(record.offset, record.timestamp))
            self._ledger.met(cause, record.timestamp)
        elif cause in self.facts:
            self.again.add(cause)
        else:
            self.facts.add(cause)

    def offsets(self, identifier: str) -> list[int]:
        """Return the offsets an outcome can belong to: the first, and any more than a week after it."""
        first, *later = self.commands[identifier]
        return [
            first.offset,
            *(met.offset for met in later if met.timestamp - first.timestamp > REMEMBERED_MS),
        ]

    def complete(self, *, commands: bool) -> bool:
        """Return whether the log still has all commands, or all other inputs, that the lane ever had."""
        return all(
            self._whole(topic) for topic, kind in self._kinds.items() if (kind == "commands") is commands
        )

    def missing(self, topic: str, offset: int) -> bool | None:
        """Return whether an unread record may have existed; None for a topic that is not an input."""
        if topic not in self._kinds:
            return None
        if offset < self._extents[topic].begin:
            return True
        return self._compacted(topic) and not self._whole(topic)

    def reread(self, topic: str) -> bool:
        """Return whether a service that lost part of this input may have read the rest of it twice."""
        return self._kinds[topic] != "commands" and self._extents[topic].begin > 0

    def _whole(self, topic: str) -> bool:
        extent = self._extents[topic]
        gaps = self._compacted(topic) and self._read[topic] < extent.end - extent.begin
        return extent.begin == 0 and not gaps

    def _compacted(self, topic: str) -> bool:
        return self._kinds[topic] == "facts"
