"""Decide each batch of records while the batch before it is being committed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from messaging import decision, lanes, outcomes, segments
from messaging.decision import Decider, Decision
from messaging.domain import Domain, Repeated
from messaging.errors import Unavailable
from messaging.lanes import Lane
from messaging.metrics import Metrics
from messaging.segments import Segment

Publish = Callable[[Sequence[Segment]], Awaitable[None]]


class Batches:
    """Decides and commits a session's records in order. Its methods must not run concurrently.

    `owned_lanes` is the session's own dictionary of lanes. `enqueue` receives the committed outbox batches;
    `on_failure` receives an error, after which the committer cannot be used any more.
    """

    def __init__(  # noqa: PLR0913 - the collaborators that a batch passes through
        self,
        pool: asyncpg.Pool,
        domain: Domain[Any],
        decider: Decider,
        metrics: Metrics,
        *,
        owned: dict[int, Lane],
        publish: Publish,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._pool = pool
        self._domain = domain
        self._decider = decider
        self._metrics = metrics
        self._lanes = owned
        self._publish = publish
        self._fail = fail
        self._generation = 0
        self._deciding = asyncio.Lock()
        self._ahead: Decision | None = None
        self._committing: asyncio.Task[None] | None = None

    async def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide the records that were not decided before, and start to commit them."""
        for part in _parts(self._decider.ahead(self._lanes, records)):
            whole = False
            while not whole:
                whole = await self._take(part)

    async def _take(self, records: Sequence[ConsumerRecord]) -> bool:
        """Decide records and start to commit them; return whether the batch covers all of them."""
        decided = await self._decide(records)
        await self.settled()
        if decided.generation != self._generation:
            decided = await self._decide(records)
        self._ahead = None
        self._domain.trim()
        if decided.advances:
            self._committing = asyncio.create_task(self._commit(decided))
        return decided.whole

    async def settled(self) -> None:
        """Wait until every decided batch is committed and enqueued. Raises the error of a failed commit."""
        if self._committing is None:
            return
        await asyncio.wait([self._committing])
        if self._committing.cancelled():
            # FastStream would treat a bare CancelledError as an error of the handler.
            msg = "the commit of a decided batch was cancelled"
            raise Unavailable(msg)
        self._committing.result()
        self._committing = None

    async def insert(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide and commit records that are not in the log, and wait for the commit."""
        await self.settled()
        while records:
            async with self._deciding:
                decided = await self._decider.decide(self._pool, self._lanes, records, self._generation)
            await self._commit(decided)
            records = records[len(decided.taken) :]

    async def prove(self) -> None:
        """Commit only positions and published offsets, which proves that this worker still owns the lanes."""
        await self.settled()
        standing = Decision(self._generation, (), self._domain.changes())
        standing.advances += [decision.advance(lane) for lane in self._lanes.values()]
        await self._write(standing)

    async def abandon(self) -> None:
        """Cancel the running commit. Whether Postgres committed it remains unknown."""
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)

    async def _decide(self, records: Sequence[ConsumerRecord]) -> Decision:
        async with self._deciding:
            taken = self._decider.ahead(self._lanes, records)
            self._ahead = await self._decider.decide(self._pool, self._lanes, taken, self._generation)
            return self._ahead

    async def _commit(self, decided: Decision) -> None:
        """Commit a batch and enqueue it; decide it again if it has duplicate command ids."""
        seen = frozenset[str]()
        try:
            while True:
                try:
                    await self._write(decided)
                    break
                except Repeated as repeated:
                    seen |= repeated.ids
                    seen |= await self._remembered(decided)
                    decided = await self._again(decided, seen)
            await self._publish(decided.segments)
        except Exception as error:
            self._fail(error)
            raise

    async def _remembered(self, decided: Decision) -> frozenset[str]:
        async with self._pool.acquire() as connection:
            return await outcomes.among(connection, [row[0] for row in decided.outcomes])

    async def _again(self, decided: Decision, seen: frozenset[str]) -> Decision:
        async with self._deciding:
            self._generation += 1
            if self._ahead is not None:
                decision.rewind(self._lanes, self._ahead)
                self._ahead = None
            decision.rewind(self._lanes, decided)
            self._domain.forget(list(self._lanes))
            return await self._decider.decide(self._pool, self._lanes, decided.taken, self._generation, seen)

    async def _write(self, decided: Decision) -> None:
        began = time.monotonic()
        done = [
            (lane.number, lane.deleted, lane.published)
            for lane in (self._lanes[step.lane] for step in decided.advances)
        ]
        with self._metrics.stage.labels("commit").time():
            async with self._pool.acquire() as connection, connection.transaction():
                await lanes.advance(connection, decided.advances)
                await segments.append(connection, decided.segments, done)
                await outcomes.add(connection, decided.outcomes)
                await self._domain.save(connection, decided.changes)
        self._domain.committed(decided.changes)
        for number, _, published in done:
            self._lanes[number].deleted = published
            self._lanes[number].confirmed = began
        self._metrics.count(decided.counts, len(decided.taken))


def _parts(records: Sequence[ConsumerRecord]) -> Iterator[Sequence[ConsumerRecord]]:
    """Split records into parts that are small enough to be decided as one batch each."""
    begin = size = 0
    for end, record in enumerate(records, 1):
        size += len(record.value or b"") + len(record.key or b"")
        if size > decision.ENOUGH_BYTES:
            yield records[begin:end]
            begin, size = end, 0
    if begin < len(records):
        yield records[begin:]
