"""Decide each batch of records while the batch before it is being committed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from messaging import outcomes
from messaging.batch import decider
from messaging.batch.decider import BatchDecider, DecidedBatch
from messaging.batch.record_decider import RecordDecisions
from messaging.database import Connection
from messaging.errors import LogMismatch, NotConfirmed
from messaging.lanes import lane_store
from messaging.lanes.lane import Lane
from messaging.metrics import PipelineMetrics
from messaging.outbox import store
from messaging.outbox.store import OutboxBatch
from messaging.processor import CommandIdStore, CommitListener, DuplicateCommands, Processor
from messaging.tracing.record_tracer import RecordTracer

_MAX_FRUITLESS_ROUNDS = 2

EnqueueBatches = Callable[[Sequence[OutboxBatch]], Awaitable[None]]


class BatchCommitter:
    """Decides and commits a session's records in order. Its methods must not run concurrently.

    `owned_lanes` is the session's own dictionary of lanes. `enqueue` receives the committed outbox batches;
    `on_failure` receives an error, after which the committer cannot be used any more.
    """

    def __init__(  # noqa: PLR0913 - the collaborators that a batch passes through
        self,
        pool: asyncpg.Pool,
        processor: Processor[Any],
        decider: BatchDecider,
        metrics: PipelineMetrics,
        *,
        owned_lanes: dict[int, Lane],
        enqueue: EnqueueBatches,
        on_failure: Callable[[BaseException], None],
        tracer: RecordTracer | None = None,
    ) -> None:
        self._pool = pool
        self._processor = processor
        self._summary_fields = processor.topology.summary_fields
        self._commit_listener = processor if isinstance(processor, CommitListener) else None
        self._command_id_store = processor if isinstance(processor, CommandIdStore) else None
        self._decider = decider
        self._metrics = metrics
        self._lanes = owned_lanes
        self._enqueue = enqueue
        self._on_failure = on_failure
        self._tracer = tracer
        self._undo_count = 0
        self._decide_lock = asyncio.Lock()
        self._next_batch: DecidedBatch | None = None
        self._commit_task: asyncio.Task[None] | None = None

    async def process_records(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide the records that were not decided before, batch by batch, and start to commit each batch."""
        # Records remain if the batch was cut short, or was undone with the one before it.
        while await self._process_next(records):
            pass

    async def _process_next(self, records: Sequence[ConsumerRecord]) -> bool:
        """Decide the next batch of the records and start to commit it; return False if none is left."""
        async with self._decide_lock:
            # Read inside the lock: while a batch is decided again, its lanes are back at its first positions.
            unprocessed = self._decider.unprocessed_records(self._lanes, records)
            if not unprocessed:
                return False
            batch = self._next_batch = await self._decider.decide_batch(
                self._pool, self._lanes, _first_part(unprocessed), self._undo_count
            )
        await self.wait_committed()
        if batch.undo_count == self._undo_count:
            self._next_batch = None
            for cache in self._processor.caches:
                cache.end_batch()
            self._commit_task = asyncio.create_task(self._commit_batch(batch))
        return True

    async def wait_committed(self) -> None:
        """Wait until every decided batch is committed and enqueued. Raises the error of a failed commit."""
        if self._commit_task is None:
            return
        await asyncio.wait([self._commit_task])
        if self._commit_task.cancelled():
            # FastStream would treat a bare CancelledError as an error of the handler.
            msg = "the commit of a decided batch was cancelled"
            raise NotConfirmed(msg)
        self._commit_task.result()
        self._commit_task = None

    async def wait_idle(self) -> None:
        """Wait until no decided batch is being committed. It may run beside the other methods."""
        if self._commit_task is not None:
            await asyncio.wait([self._commit_task])

    async def process_synthetic(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide and commit records that are not in the log, and wait for the commit."""
        await self.wait_committed()
        while records:
            async with self._decide_lock:
                batch = await self._decider.decide_batch(self._pool, self._lanes, records, self._undo_count)
            await self._commit_batch(batch)
            records = records[len(batch.input_records) :]

    async def renew_lease(self) -> None:
        """Commit positions and published offsets alone, to prove that this worker still owns the lanes."""
        await self.wait_committed()
        empty_batch = DecidedBatch(self._undo_count, (), RecordDecisions(self._processor.new_changes()))
        empty_batch.lane_updates += [lane.snapshot_update() for lane in self._lanes.values()]
        await self._write_batch(empty_batch)

    async def cancel_commit(self) -> None:
        """Cancel the running commit. Whether Postgres committed it remains unknown."""
        if self._commit_task is not None:
            self._commit_task.cancel()
            await asyncio.gather(self._commit_task, return_exceptions=True)

    async def _commit_batch(self, batch: DecidedBatch) -> None:
        """Commit a batch and enqueue it; decide it again if it has duplicate command ids."""
        duplicate_ids = frozenset[str]()
        fruitless_rounds = 0
        try:
            while True:
                try:
                    with self._trace_commit(batch):
                        await self._write_batch(batch)
                    break
                except DuplicateCommands as repeated:
                    found = repeated.command_ids | await self._find_recorded_ids(batch)
                    fruitless_rounds = 0 if found - duplicate_ids else fruitless_rounds + 1
                    if fruitless_rounds == _MAX_FRUITLESS_ROUNDS:
                        raise LogMismatch(_describe_repeat(batch)) from repeated
                    duplicate_ids |= found
                    batch = await self._decide_again(batch, duplicate_ids)
            await self._enqueue(batch.outbox_batches)
        except Exception as error:
            self._on_failure(error)
            raise

    def _trace_commit(self, batch: DecidedBatch) -> AbstractContextManager[None]:
        if self._tracer is None:
            return nullcontext()
        return self._tracer.trace_commit(batch.decisions.spans, len(batch.input_records))

    async def _find_recorded_ids(self, batch: DecidedBatch) -> frozenset[str]:
        ids = [command_id for command_id, *_ in batch.decisions.outcomes if command_id is not None]
        async with self._pool.acquire() as connection:
            return await outcomes.find_recorded_ids(connection, ids)

    async def _decide_again(self, batch: DecidedBatch, duplicate_ids: frozenset[str]) -> DecidedBatch:
        async with self._decide_lock:
            self._undo_count += 1
            if self._next_batch is not None:
                self._undo_batch(self._next_batch)
                self._next_batch = None
            self._undo_batch(batch)
            for cache in self._processor.caches:
                cache.drop_lanes(self._lanes)
            return await self._decider.decide_batch(
                self._pool, self._lanes, batch.input_records, self._undo_count, duplicate_ids
            )

    def _undo_batch(self, batch: DecidedBatch) -> None:
        for update in batch.lane_updates:
            self._lanes[update.lane].undo_update(update)

    async def _write_batch(self, batch: DecidedBatch) -> None:
        started_at = time.monotonic()
        ranges_to_delete = [
            (update.lane, *self._lanes[update.lane].range_to_delete()) for update in batch.lane_updates
        ]
        with self._metrics.stage_seconds.labels("commit").time():
            async with self._pool.acquire() as connection, connection.transaction():
                await lane_store.write_updates(connection, batch.lane_updates)
                await store.update_outbox(connection, batch.outbox_batches, ranges_to_delete)
                await outcomes.insert_outcomes(connection, self._summary_fields, batch.decisions.outcomes)
                await self._check_rejected_ids(connection, batch)
                await self._processor.save(connection, batch.decisions.changes)
        if self._commit_listener is not None:
            self._commit_listener.on_committed(batch.decisions.changes)
        for number, _, published in ranges_to_delete:
            self._lanes[number].record_committed(published, started_at)
        self._metrics.count_batch(
            batch.decisions.command_counts, batch.decisions.dead_letter_counts, len(batch.input_records)
        )

    async def _check_rejected_ids(self, connection: Connection, batch: DecidedBatch) -> None:
        if self._command_id_store is not None and batch.decisions.rejected_commands:
            used_ids = await self._command_id_store.find_used_ids(
                connection, batch.decisions.rejected_commands
            )
            if used_ids:
                raise DuplicateCommands(used_ids)


def _first_part(records: Sequence[ConsumerRecord]) -> Sequence[ConsumerRecord]:
    """Return the first records, as many as are small enough to be decided as one batch."""
    size = 0
    for end, record in enumerate(records, 1):
        size += len(record.value or b"") + len(record.key or b"")
        if size > decider.MAX_BATCH_BYTES:
            return records[:end]
    return records


def _describe_repeat(batch: DecidedBatch) -> str:
    first, last = batch.input_records[0], batch.input_records[-1]
    return (
        f"{first.topic}:{first.partition}, offset {first.offset} to {last.topic}:{last.partition}, offset "
        f"{last.offset}: a command was decided before, but has no outcome: its lane's position was moved "
        "back too far; set it to where the lane was read to before"
    )
