"""The numbers of the business: as a process serves them, and as a recount of the log finds them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import parser

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import LogReader, fetch_offset_bounds
from cohost_schemas import envelope, timestamps, topics

Samples = dict[tuple[str, ...], float]
"""Values by the sample's name and the values of its labels."""

GAUGES = (
    *("cohost_invitations_pending", "cohost_seats"),
    *("cohost_co_hosts_connected", "cohost_co_hosts_in_grace", "cohost_co_hosts_hard_muted"),
)
COUNTED = (
    *("cohost_invitations_sent_total", "cohost_invitations_ended_total", "cohost_seats_ended_total"),
    *("cohost_invitation_answer_seconds_count", "cohost_invitation_answer_seconds_sum"),
    *("cohost_seat_step_seconds_count", "cohost_seat_step_seconds_sum"),
    *("cohost_quality_changes_total", "cohost_recordings_ended_total"),
)


def parse_samples(text: str) -> Samples:
    """Return the samples of the business that a process serves and that are not zero."""
    return {
        (sample.name, *sample.labels.values()): round(sample.value, 3)
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in (*GAUGES, *COUNTED) and sample.value
    }


def add_samples(parts: Iterable[Samples], names: Iterable[str]) -> Samples:
    """Return the sums of the samples with these names."""
    total: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for part in parts:
        for sample, value in part.items():
            total[sample] += value if sample[0] in names else 0
    return {sample: round(value, 3) for sample, value in total.items() if value}


@dataclass
class Recount:
    """A count of the log by the letter of the contract. Every user has at most one seat per room."""

    samples: Counter[tuple[str, ...]] = field(default_factory=Counter)
    pending: set[str] = field(default_factory=set)
    accepted: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    connections: dict[str, str] = field(default_factory=dict)
    steps: dict[tuple[str, str], str] = field(default_factory=dict)
    mutes: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, name: str, data: Mapping[str, Any]) -> None:
        """Count an event."""
        match name:
            case "InvitationSent":
                self.samples["cohost_invitations_sent_total",] += 1
                self.pending.add(data["invitationId"])
            case "InvitationAccepted" | "InvitationDeclined" | "InvitationCancelled" | "InvitationExpired":
                self._end(name, data)
            case "CoHostLeft":
                self.samples["cohost_seats_ended_total", data["reason"]] += 1
                self.left.add(data["invitationId"])
            case "ParticipantQualityChanged":
                self.samples["cohost_quality_changes_total", data["quality"]] += 1
            case "RecordingFinished":
                self.samples["cohost_recordings_ended_total", data["status"]] += 1
            case _:
                self._move_seat(name, data)

    def _move_seat(self, name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "GrantProvisioned":
                self.steps[data["invitationId"], "granted"] = data["provisionedAt"]
            case "CoHostConnected" | "CoHostReconnected" | "CoHostDisconnected" | "CoHostLost":
                self.connections[data["invitationId"]] = name
                if name == "CoHostConnected":
                    self.steps[data["invitationId"], "connected"] = data["at"]
            case "CoHostMediaChanged" if data["published"]:
                self.steps.setdefault((data["invitationId"], "publishing"), data["at"])
            case "CoHostMuted" if data["hard"]:
                self.mutes[data["roomId"], data["userId"]].add(data["source"])
            case "CoHostUnmuteRequested":
                self.mutes[data["roomId"], data["userId"]].discard(data["source"])

    def _end(self, name: str, data: Mapping[str, Any]) -> None:
        outcome = "accepted" if name == "InvitationAccepted" else data["closeReason"]
        self.samples["cohost_invitations_ended_total", outcome] += 1
        self.pending.discard(data["invitationId"])
        if data.get("respondedAt"):
            self._observe("cohost_invitation_answer_seconds", outcome, data["sentAt"], data["respondedAt"])
        if outcome == "accepted":
            self.accepted[data["invitationId"]] = data

    def _observe(self, name: str, label: str, begin: str, end: str) -> None:
        milliseconds = max(0, timestamps.to_ms(end) - timestamps.to_ms(begin))
        self.samples[f"{name}_count", label] += 1
        self.samples[f"{name}_sum_ms", label] += milliseconds

    def result(self) -> Samples:
        """Return all numbers that are not zero."""
        for (invitation_id, step), at in self.steps.items():
            begin = self.accepted[invitation_id]["respondedAt"]
            self._observe("cohost_seat_step_seconds", step, begin, at)
        seated = {key: data for key, data in self.accepted.items() if key not in self.left}
        states = Counter(self.connections.get(key, "never") for key in seated)
        holders = [(data["roomId"], data["userId"]) for data in seated.values()]
        gauges = (
            len(self.pending),
            len(seated),
            states["CoHostConnected"] + states["CoHostReconnected"],
            states["CoHostDisconnected"],
            sum(bool(self.mutes[holder]) for holder in holders),
        )
        counted: Samples = {
            (name.removesuffix("_ms"), *labels): value / 1000 if name.endswith("_ms") else value
            for (name, *labels), value in self.samples.items()
        }
        counted |= {(name,): value for name, value in zip(GAUGES, gauges, strict=True)}
        return {sample: round(value, 3) for sample, value in counted.items() if value}


async def recount_log(kafka: str, prefix: str, partitions: int) -> Samples:
    """Read both topics of events from their beginnings to their ends, and count what they say."""
    connection = KafkaConnection(kafka, prefix)
    recount = Recount()
    for topic in (topics.INVITATION_EVENTS, topics.BROADCAST_EVENTS):
        everywhere = [TopicPartition(topic.full_name(prefix), number) for number in range(partitions)]
        begins, ends = await fetch_offset_bounds(connection, everywhere)
        async for batch in LogReader(connection, begins, end_offsets=ends).read_batches():
            for record in batch:
                event = envelope.decode_event(record.value, record.headers)
                recount.add(envelope.model_name(event.type), event.data)
    return recount.result()
