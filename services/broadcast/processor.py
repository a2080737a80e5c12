"""Broadcast's processor for the pipeline: stages in memory, decided record by record, stored in Postgres."""

from collections.abc import Iterator, Sequence
from typing import cast

from cohost_schemas import events, topics
from cohost_schemas.types import Message
from messaging.database import Connection
from messaging.lanes.cache import LaneCache
from messaging.processor import InputRecord, OutputRecord, Rejection
from messaging.tracing.context import is_sampled
from messaging.tracing.tracer import Tracer
from services.broadcast import store
from services.broadcast.batch_changes import BatchChanges, TracedConnection, work_from_changes
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain import badges, correlations, decide
from services.broadcast.domain.decision import Origin
from services.broadcast.domain.state import SeatTimeouts, Stage
from services.broadcast.metrics import LiveKitMetrics, StageNumbers
from services.broadcast.topology import TOPOLOGY

_MAX_SIZE = 100_000
"""Stages and their members that are kept between batches."""
_IRRELEVANT_EVENTS = frozenset(events.INVITATIONS) - {
    events.StageChanged,
    events.InvitationAccepted,
    events.CoHostLeft,
    events.StageArranged,
}


class BroadcastProcessor:
    """Decides broadcast's records for the pipeline, and hands committed work to the reconciler's poller."""

    topology = TOPOLOGY

    def __init__(
        self,
        timeouts: SeatTimeouts,
        dirty_keys: DirtyKeys,
        metrics: LiveKitMetrics,
        *,
        numbers: StageNumbers | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._timeouts = timeouts
        self._dirty_keys = dirty_keys
        self._metrics = metrics
        self._numbers = numbers
        self._tracer = tracer
        self._stages = LaneCache[Stage | None](_MAX_SIZE, _count_entries)
        """Stages by room id; None for a room that is not in Postgres."""
        self.caches = (self._stages,)

    def new_changes(self) -> BatchChanges:
        """Return an empty set of changes for one batch."""
        return BatchChanges()

    async def load(self, connection: Connection, records: Sequence[InputRecord]) -> None:
        """Load the batch's stages into memory."""
        lanes = {record.key: record.lane for record in records if _is_relevant(record.data)}
        missing = self._stages.mark_used(lanes)
        found = await store.load_stages(connection, missing) if missing else {}
        for room_id in missing:
            self._stages.put(room_id, lanes[room_id], found.get(room_id))

    def decide(self, record: InputRecord, changes: BatchChanges) -> Sequence[OutputRecord] | Rejection:
        """Decide one record and apply it to the stage in memory."""
        if not _is_relevant(record.data):
            return ()
        before = self._stages[record.key]
        origin = Origin(record.id, record.timestamp, record.offset, record.lane, record.correlation)
        data = cast("decide.RelevantRecord", record.data)
        decided = decide.decide_record(before, data, origin, self._timeouts)
        if decided is None:
            return ()
        if isinstance(decided, str):
            return Rejection(decided)
        after = decided.stage
        changes.add_events(before, after, decided.events)
        if self._tracer is not None:
            changes.connections += _sampled_connections(after, decided.events)
        if after is not before:
            self._stages.put(record.key, record.lane, after)
            changes.add_difference(before, after)
        return [
            *_event_records(record.key, before, decided.events),
            *_badge_records(record.key, before, after),
        ]

    async def save(self, connection: Connection, changes: BatchChanges) -> None:
        """Write the batch's changes."""
        await store.save_changes(connection, changes)

    def on_committed(self, changes: BatchChanges) -> None:
        """Hand the batch's work on LiveKit to the poller, count its events, trace connections."""
        if self._tracer is not None:
            _trace_connections(self._tracer, changes)
        for event in changes.events:
            if isinstance(event, events.IntruderRemoved):
                self._metrics.intruders.labels(event.action).inc()
        if self._numbers is not None:
            self._numbers.count_committed(changes)
        rooms, members = work_from_changes(changes)
        if rooms or members:
            self._dirty_keys.wake_poller(rooms, members)


def _sampled_connections(stage: Stage, decided: Sequence[Message]) -> Iterator[TracedConnection]:
    for event in decided:
        correlation = correlations.connection_correlation(stage, event)
        parent = correlation.traceparent if correlation is not None else None
        if parent is not None and is_sampled(parent):
            yield TracedConnection(type(event).__name__, stage.room.room_id, parent)


def _trace_connections(tracer: Tracer, changes: BatchChanges) -> None:
    """Record a moment in the trace of the acceptance for each connection."""
    for event, room_id, parent in changes.connections:
        tracer.begin_span(event, "internal", parent, {"cohost.room_id": room_id}).end()


def _count_entries(stage: Stage | None) -> int:
    return 1 if stage is None else 1 + len(stage.members)


def _is_relevant(data: Message | None) -> bool:
    """Return whether a record can change a stage: events of pending invitations cannot."""
    return data is not None and type(data) not in _IRRELEVANT_EVENTS


def _event_records(room_id: str, before: Stage | None, decided: Sequence[Message]) -> Iterator[OutputRecord]:
    for event in decided:
        correlation = correlations.correlation_of(before, event)
        yield OutputRecord(topics.BROADCAST_EVENTS, room_id, event, correlation=correlation)


def _badge_records(room_id: str, before: Stage | None, after: Stage) -> Iterator[OutputRecord]:
    for user_id, badge in badges.badge_changes(before, after):
        yield OutputRecord(topics.BADGES, room_id, badge, key=f"{room_id}/{user_id}")
