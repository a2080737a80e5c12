"""One session of a worker: from joining the consumer group to a stop or the first error."""

import asyncio
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

from messaging import lanes, transactions
from messaging.batches import Batches
from messaging.closing import closed
from messaging.config import Config
from messaging.consumer import Consumer
from messaging.decision import Decider
from messaging.domain import Domain
from messaging.errors import Unavailable
from messaging.intake import Intake
from messaging.lanes import Lane
from messaging.metrics import Metrics
from messaging.publisher import Publisher
from messaging.records import Records
from messaging.segments import Segment
from messaging.takeover import Takeover
from messaging.topology import Topology

_DRAIN_SECONDS = 6
_LEAVE_SECONDS = 2
_TICK_SECONDS = 1

log = structlog.get_logger()


class Session:
    """A worker between two recoveries. Any error ends the session and is set on `failure`."""

    def __init__(
        self, config: Config, topology: Topology, domain: Domain[Any], pool: asyncpg.Pool, metrics: Metrics
    ) -> None:
        layout = domain.layout
        self._config = config
        self._domain = domain
        self._pool = pool
        self._metrics = metrics
        self._inputs = [entry.topic.name(config.prefix) for entry in layout.inputs]
        self._outputs = [topic.name(config.prefix) for topic in layout.outputs]
        self._group = config.prefix + layout.name
        self._batch_bytes = topology.batch_bytes
        self.owner = f"{self._group}-{uuid.uuid4()}"
        self.lanes: dict[int, Lane] = {}
        self.open = False
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading = False
        self._producer: AIOKafkaProducer | None = None
        self._handling = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._take: asyncio.Task[None] | None = None
        decider = Decider(
            domain,
            Intake(layout, config.prefix, topology.partitions),
            Records(layout, config.prefix, topology.cluster, topology.dead_letter_bytes),
            metrics,
            self._inputs,
        )
        self._batches = Batches(
            pool, domain, decider, metrics, owned=self.lanes, publish=self._publish, fail=self.fail
        )
        self._consumer = Consumer(config, self._group, self._inputs, self)
        self._takeover = Takeover(config, topology, layout, pool)

    async def start(self) -> None:
        """Start the producer and join the group; no lane is owned or fenced yet."""
        self._producer = await transactions.start(self._config, self.owner, self._batch_bytes)
        self._publisher = Publisher(self._producer, self._outputs, self.lanes, self._metrics)
        self._spawn(self._publisher.run())
        await self._consumer.start()
        self._spawn(self._tick())

    async def stop(self) -> None:
        """Publish everything committed, release the lanes, and leave the group."""
        await self.revoked()
        await self.abandon()

    async def abandon(self) -> None:
        """Stop without draining; the next owner of the lanes recovers from database and log."""
        self.failure.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._batches.abandon()
        await closed(self._consumer.stop(), _LEAVE_SECONDS)
        # Wait for the handler, because the next session uses the same processor and its cache.
        async with self._handling:
            self._let_go()
        if self._producer is not None:
            await transactions.discard(self._producer)

    def _let_go(self) -> None:
        self._domain.forget(list(self.lanes))
        self.lanes.clear()
        self._metrics.unwatch()

    def fail(self, error: BaseException) -> None:
        """End the session with this error; later errors are ignored."""
        if not self.failure.done():
            self.failure.set_exception(error)

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Decide a batch while the previous one is being committed."""
        async with self._handling:
            if self.failure.done():
                return
            try:
                await self._batches.take(records)
            except Exception as error:  # noqa: BLE001 - every error ends the session
                self.fail(error)

    async def _publish(self, committed: Sequence[Segment]) -> None:
        await self._publisher.put(committed)

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start to take over the lanes of these partitions."""
        self._take = self._spawn(self._taking(partitions))

    async def _taking(self, partitions: Sequence[TopicPartition]) -> None:
        taken, unpublished = await self._takeover.take(partitions, self.owner)
        self.lanes.update(taken)
        self._domain.forget(list(taken))
        for segment in unpublished:
            await self._publisher.put([segment])
        await self._domain.taken({number: lane.peaceful for number, lane in taken.items()})
        log.info("lanes acquired", lanes=sorted(taken), unpublished=len(unpublished))
        cut = await self._takeover.seek(self._consumer.client, taken)
        self._consumer.placed()
        self._reading = True
        if await self._takeover.read_facts(self._consumer.client, self.lanes):
            await self._bury(cut)
            self._takeover.resume(self._consumer.client, self.lanes)
            self.open = True

    async def _bury(self, cut: Mapping[TopicPartition, int]) -> None:
        """Decide tombstones for stored facts whose records were deleted from the beginning of their topic."""
        for place, begin in cut.items():
            while graves := await self._takeover.graves(self._domain, place, begin):
                log.warning(
                    "lost facts tombstoned", topic=place.topic, lane=place.partition, keys=len(graves)
                )
                async with self._handling:
                    await self._batches.insert(graves)

    async def revoked(self) -> None:
        """Give up every lane: commit and publish what is decided, then release the lanes if that succeeds."""
        self.open = False
        self._reading = False
        self._consumer.displaced()
        if self._take is not None:
            # Wait for the takeover: it must not claim lanes after their next owner did.
            self._takeover.hurry()
            await asyncio.gather(self._take, return_exceptions=True)
        async with self._handling:
            if self.failure.done() or not self.lanes:
                return
            await self._batches.settled()
            await self._domain.releasing(list(self.lanes))
            try:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await self._publisher.drained()
            except TimeoutError:
                log.warning("lane release timed out", lanes=sorted(self.lanes))
            else:
                await self._release()
            self._let_go()

    async def _release(self) -> None:
        await self._batches.prove()
        async with self._pool.acquire() as connection:
            await lanes.release(connection, self.lanes.values())
        log.info("lanes released", lanes=sorted(self.lanes))

    async def _tick(self) -> None:
        """Save published offsets and skipped markers, renew the lease, and mirror offsets, once a second."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            async with self._handling:
                await self._batches.settled()
                # After a failure the consumer's position may lie beyond records that were not decided.
                if self.failure.done():
                    return
                if self.lanes and self._reading:
                    await self._pass_markers()
                    await self._batches.prove()
                # Only committed positions: every record before a mirrored offset must be done.
                stands = self._stands()
            if self.open:
                await self._consumer.mirror(stands)
                self._metrics.watch(self._consumer.client, self._inputs, self.lanes)

    async def _pass_markers(self) -> None:
        """Advance lanes to the consumer's positions: control and aborted records have offsets only."""
        if self._consumer.outstanding:
            return
        client = self._consumer.client
        places = [(lane, index) for lane in self.lanes.values() for index in range(len(self._inputs))]
        found = [
            await client.position(TopicPartition(self._inputs[index], lane.number)) for lane, index in places
        ]
        # Checked again: records that arrived during the awaits lie below these positions and are not decided.
        if not self._consumer.outstanding and not self.failure.done():
            for (lane, index), position in zip(places, found, strict=True):
                lane.positions[index] = max(lane.positions[index], position)

    def _stands(self) -> dict[TopicPartition, int]:
        """Return the lanes' positions for lag monitoring. No worker starts from mirrored offsets."""
        return {
            TopicPartition(topic, lane.number): lane.positions[index]
            for lane in self.lanes.values()
            for index, topic in enumerate(self._inputs)
            if lane.positions[index] >= 0
        }

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            # If we cancelled it, `failure` is already done; a task cancelled by a library is a failure.
            self.fail(Unavailable("a task of the session was cancelled unexpectedly"))
        elif (error := task.exception()) is not None:
            self.fail(error)
