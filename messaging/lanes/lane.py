"""A lane's state in its owner's memory.

A topic is named here by its suffix, without the deployment's prefix. A topic that the lane has not read or
written yet has no entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """A lane's decided state: the next offset to read of each input, the last sequence of each output."""

    positions: Mapping[str, int]
    decided_sequences: Mapping[str, int]
    last_batch_number: int


@dataclass(frozen=True, slots=True)
class LaneUpdate:
    """A lane's next state, to be written only if the lane has the epoch and the positions of `before`."""

    lane: int
    epoch: int
    before: LaneProgress
    after: LaneProgress
    published_sequences: Mapping[str, int]
    published_end_offsets: Mapping[str, int]


class Lane:
    """A lane's state, ahead of the database by the batches that are not committed yet.

    `progress` is the state in the database. Only a lane's own methods change the lane.
    """

    __slots__ = (
        "_decided_sequences",
        "_last_batch_number",
        "_last_deleted_batch",
        "_last_published_batch",
        "_last_settled_batch",
        "_lease_renewed_at",
        "_positions",
        "_progress",
        "_published_end_offsets",
        "_published_sequences",
        "clean_handover",
        "epoch",
        "number",
        "unfenced_owners",
    )

    def __init__(  # noqa: PLR0913 - the columns of the table
        self,
        number: int,
        epoch: int,
        progress: LaneProgress = LaneProgress({}, {}, 0),
        *,
        published_sequences: Mapping[str, int] | None = None,
        published_end_offsets: Mapping[str, int] | None = None,
        clean_handover: bool = True,
        unfenced_owners: Iterable[str] = (),
    ) -> None:
        self.number = number
        self.epoch = epoch
        self.clean_handover = clean_handover
        self.unfenced_owners = frozenset(unfenced_owners)
        self._progress = progress
        self._positions = dict(progress.positions)
        self._decided_sequences = dict(progress.decided_sequences)
        self._published_sequences = dict(published_sequences or {})
        self._published_end_offsets = dict(published_end_offsets or {})
        self._last_batch_number = progress.last_batch_number
        self._last_published_batch = 0
        self._last_settled_batch = 0
        self._last_deleted_batch = 0
        self._lease_renewed_at = 0.0

    @property
    def last_batch_number(self) -> int:
        """Return the number of the last outbox batch that was decided."""
        return self._last_batch_number

    @property
    def unpublished_count(self) -> int:
        """Return the number of outbox batches that are not confirmed as published."""
        return self._last_batch_number - self._last_published_batch

    @property
    def lease_renewed_at(self) -> float:
        """Return `time.monotonic()` of the beginning of the last commit, or 0.0 before the first."""
        return self._lease_renewed_at

    @property
    def decided_sequences(self) -> Mapping[str, int]:
        """Return the last sequence decided for each output."""
        return self._decided_sequences

    @property
    def published_sequences(self) -> Mapping[str, int]:
        """Return the last sequence settled in each output."""
        return self._published_sequences

    def position(self, topic: str) -> int:
        """Return the next offset to read of an input; -1 before the first read."""
        return self._positions.get(topic, -1)

    def published_end_offset(self, topic: str) -> int:
        """Return the offset after the last record settled in an output."""
        return self._published_end_offsets.get(topic, 0)

    def advance_position(self, topic: str, offset: int) -> None:
        """Record that an input is decided up to this offset, unless it is decided further."""
        if offset > self._positions.get(topic, -1):
            self._positions[topic] = offset

    def reset_position(self, topic: str, offset: int) -> None:
        """Continue an input at this offset, whether it lies ahead or behind: the records between are lost."""
        self._positions[topic] = offset

    def next_sequence(self, topic: str) -> int:
        """Take the next sequence of an output."""
        sequence = self._decided_sequences[topic] = self._decided_sequences.get(topic, 0) + 1
        return sequence

    def next_batch_number(self) -> int:
        """Take the number of the next outbox batch."""
        self._last_batch_number += 1
        return self._last_batch_number

    def snapshot_update(self) -> LaneUpdate:
        """Return the update from the last snapshot to the present state, which becomes the last snapshot."""
        before = self._progress
        self._progress = LaneProgress(
            self._positions.copy(), self._decided_sequences.copy(), self._last_batch_number
        )
        return LaneUpdate(
            self.number,
            self.epoch,
            before,
            self._progress,
            self._published_sequences.copy(),
            self._published_end_offsets.copy(),
        )

    def undo_update(self, update: LaneUpdate) -> None:
        """Return to the state before an update that is not committed. Later updates must be undone first."""
        self._progress = update.before
        self._positions = dict(update.before.positions)
        self._decided_sequences = dict(update.before.decided_sequences)
        self._last_batch_number = update.before.last_batch_number

    def restore_outbox(self, stored_batches: Sequence[int], published_count: int) -> None:
        """Set the numbers of the stored outbox batches; the log already has the first `published_count`."""
        self._last_deleted_batch = stored_batches[0] - 1 if stored_batches else self._last_batch_number
        self._last_published_batch = self._last_settled_batch = (
            stored_batches[published_count - 1] if published_count else self._last_deleted_batch
        )

    def record_published_batch(self, number: int) -> None:
        """Record that every record of this outbox batch is confirmed as published."""
        self._last_published_batch = number

    def record_settled_end(self, topic: str, sequence: int, end_offset: int) -> None:
        """Record the last sequence that is settled in an output, and the offset after it."""
        self._published_sequences[topic] = sequence
        self._published_end_offsets[topic] = end_offset

    def record_settled_batch(self, number: int) -> None:
        """Record that every record of this outbox batch is settled."""
        self._last_settled_batch = number

    def range_to_delete(self) -> tuple[int, int]:
        """Return the numbers of the last batch that was deleted from the outbox and the last to delete."""
        return self._last_deleted_batch, self._last_settled_batch

    def record_committed(self, deleted_batch: int, started_at: float) -> None:
        """Record a commit that began at `started_at` and deleted outbox batches up to `deleted_batch`."""
        self._last_deleted_batch = deleted_batch
        self._lease_renewed_at = started_at
