"""The exporter's reading of the log: sequences, restarts, and what is shown before the end is reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter

from ops.exporter.metrics import CaughtUpCollector, LogMetrics
from ops.exporter.sequences import SequenceCheck

TOPIC = "cohost.invitations.events"


@dataclass(frozen=True)
class RecordWithSequence:
    """A record as far as its sequence concerns."""

    sequence: bytes | None
    topic: str = TOPIC
    partition: int = 0

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        return () if self.sequence is None else (("sequence", self.sequence),)


@dataclass
class SequenceReader:
    """A sequence check and its metrics."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        metrics = LogMetrics(self.registry)
        metrics.start_topic(TOPIC)
        self.check = SequenceCheck(metrics)

    def read(self, *sequences: int, partition: int = 0) -> list[int]:
        """Read records with these sequences, and return those that are counted."""
        records = [RecordWithSequence(b"%d" % number, partition=partition) for number in sequences]
        return [int(record.sequence) for record in self.check.select_new(records)]

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"cohost_exporter_{name}", {"topic": TOPIC})


def test_a_record_that_comes_again_is_not_counted() -> None:
    reader = SequenceReader()
    assert reader.read(1, 2, 3) + reader.read(2, 3, 4) == [1, 2, 3, 4]
    assert (reader.value("duplicates_total"), reader.value("records_total")) == (2, 4)


def test_a_gap_between_sequences_is_reported() -> None:
    reader = SequenceReader()
    assert reader.read(1, 2, 6) == [1, 2, 6]
    assert (reader.value("missing_records_total"), reader.value("deleted_records")) == (3, 0)


def test_partitions_have_sequences_of_their_own() -> None:
    reader = SequenceReader()
    assert reader.read(1, 2) + reader.read(1, 2, partition=1) == [1, 2, 1, 2]
    assert (reader.value("duplicates_total"), reader.value("missing_records_total")) == (0, 0)


def test_a_log_without_its_beginning_has_deleted_records() -> None:
    reader = SequenceReader()
    assert reader.read(41, 42) == [41, 42]
    assert (reader.value("deleted_records"), reader.value("missing_records_total")) == (40, 0)


def test_a_record_without_a_sequence_is_not_counted() -> None:
    reader = SequenceReader()
    assert reader.check.select_new([RecordWithSequence(None)]) == []
    assert reader.value("unreadable_records_total") == 1


def test_the_business_is_shown_once_the_log_was_read_to_its_end() -> None:
    business, registry = CollectorRegistry(), CollectorRegistry()
    Counter("cohost_invitations_sent", "", registry=business).inc(7)

    @dataclass
    class Follower:
        is_ready: bool = False

    follower = Follower()
    registry.register(CaughtUpCollector(business, follower))
    assert registry.get_sample_value("cohost_invitations_sent_total") is None
    follower.is_ready = True
    assert registry.get_sample_value("cohost_invitations_sent_total") == 7
