"""What came into a lane: commands by id, the ids of facts, and what belongs to the dead letters."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cohost.audit.layout import Deployment, Extent, Record
from cohost.audit.ledger import Ledger
from cohost.audit.reading import Reader
from schemas.ids import REMEMBERED_MS


class Bad(NamedTuple):
    """A record that belongs to the dead letters."""

    record: Record
    reason: str


class Met(NamedTuple):
    """Where and when a command came in."""

    offset: int
    timestamp: int


class Causes:
    """The inputs of one lane, read in the order of each topic.

    `commands` has all records of an id, `again` those ids of facts that came in more than once.
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
        """Take a record in."""
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
        """Return which records of a command an outcome may be of: the first, and those of a week later."""
        first, *later = self.commands[identifier]
        return [
            first.offset,
            *(met.offset for met in later if met.timestamp - first.timestamp > REMEMBERED_MS),
        ]

    def complete(self, *, commands: bool) -> bool:
        """Say whether all commands, or all that is none, that the lane ever had are still in the log."""
        return all(
            self._whole(topic) for topic, kind in self._kinds.items() if (kind == "commands") is commands
        )

    def missing(self, topic: str, offset: int) -> bool | None:
        """Say whether a record that was not read may have been there; None for a topic that is no input."""
        if topic not in self._kinds:
            return None
        if offset < self._extents[topic].begin:
            return True
        return self._compacted(topic) and not self._whole(topic)

    def reread(self, topic: str) -> bool:
        """Say whether a service that lost some of this input may have read the rest of it twice."""
        return self._kinds[topic] != "commands" and self._extents[topic].begin > 0

    def _whole(self, topic: str) -> bool:
        extent = self._extents[topic]
        gaps = self._compacted(topic) and self._read[topic] < extent.end - extent.begin
        return extent.begin == 0 and not gaps

    def _compacted(self, topic: str) -> bool:
        return self._kinds[topic] == "facts"
