"""Run a worker: one session after another, with back-off during outages, until it is stopped."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import asyncpg
import structlog

from cohost.kafka.backoff import Backoff
from messaging import cluster, database, errors, outcomes
from messaging.cluster import ClusterInfo
from messaging.config import Config
from messaging.inputs.broker import LaneBroker
from messaging.lanes import lane_store
from messaging.lanes.lane_listeners import LaneListener, LaneListeners
from messaging.lanes.lease import LaneLease
from messaging.metrics import PipelineMetrics
from messaging.outbox import store
from messaging.outbox.outbox_age import OutboxAges
from messaging.outcomes import OutcomePruner
from messaging.processor import Processor
from messaging.session import Session
from messaging.tracing.tracer import Tracer

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
_PRUNE_INTERVAL_SECONDS = 60
_OUTBOX_INTERVAL_SECONDS = 2
_ROUNDS_PER_PRUNER = 60
_STOP_TIMEOUT_SECONDS = 9

_CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError)

log = structlog.get_logger()

ResultT = TypeVar("ResultT")


class Pipeline:
    """Consumes, decides, commits and publishes for one service.

    `migration_packages` are packages whose `sql/` is applied to the service's schema after the pipeline's.
    `lane_listeners` are called in their order, whenever lanes are acquired or about to be released.
    `lease` is written by the pipeline, for background effects that ask which lanes they may act for.
    `other_pools` are pools of the same database: their connections are replaced after an interruption.
    With a `tracer`, sampled records are traced.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pipeline
        self,
        config: Config,
        broker: LaneBroker,
        processor: Processor[Any],
        metrics: PipelineMetrics,
        migration_packages: tuple[str, ...] = (),
        *,
        lane_listeners: Sequence[LaneListener] = (),
        lease: LaneLease | None = None,
        other_pools: Sequence[asyncpg.Pool] = (),
        tracer: Tracer | None = None,
    ) -> None:
        self._config = config
        self._broker = broker
        self._processor = processor
        self._metrics = metrics
        self._migration_packages = ("messaging", *migration_packages)
        self._lane_listeners = LaneListeners(lane_listeners)
        self._stopping = asyncio.Event()
        self._session: Session | None = None
        self._backoff = Backoff(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)
        self._lease = lease if lease is not None else LaneLease()
        self._other_pools = other_pools
        self._outbox_ages = OutboxAges()
        self._tracer = tracer

    @property
    def is_ready(self) -> bool:
        """Return whether the worker is connected and reads every lane that is assigned to it."""
        return self._session is not None and self._session.is_active

    @property
    def has_read_facts(self) -> bool:
        """Return whether decisions know all facts that were in the log when the lanes were taken over."""
        return self._session is not None and self._session.has_read_facts

    @property
    def owned_lanes(self) -> frozenset[int]:
        """Return the lanes that are owned and read now."""
        return self._lease.owned_lanes

    def stop(self) -> None:
        """Make `run` finish its session and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Run sessions until stopped. Outages are retried; their begin and end are logged once each.

        Raises `IncompatibleDeployment` if cluster, database and topics do not fit together.
        """
        pool = await database.create_pool(self._config, size=6)
        self._metrics.watch_pools((pool, *self._other_pools))
        # Not with a session: without Kafka none begins, and nothing is published.
        watching = asyncio.create_task(self._watch_outbox(pool))
        try:
            while not self._stopping.is_set():
                try:
                    await self._run_session(pool)
                except Exception as error:
                    if not errors.is_transient(error):
                        raise
                    await self._wait_before_retry(error)
                    # The error may have come from a server that is no longer the primary.
                    for stale in (pool, *self._other_pools):
                        await stale.expire_connections()
        finally:
            watching.cancel()
            pool.terminate()

    async def _run_session(self, pool: asyncpg.Pool) -> None:
        """Run one session until the stop. Raises the error that ends the session."""
        cluster_info = await self._unless_stopped(self._prepare(pool))
        if cluster_info is None:
            return
        session = Session(
            self._config,
            self._broker,
            cluster_info,
            self._processor,
            pool,
            self._metrics,
            lane_listeners=self._lane_listeners,
            tracer=self._tracer,
        )
        self._session = session
        self._lease.start_session(session)
        background = [
            asyncio.create_task(self._prune_outcomes(pool)),
            asyncio.create_task(self._reset_backoff_when_ready()),
        ]
        try:
            await self._unless_stopped(session.start())
            await self._unless_stopped(asyncio.shield(session.failure))
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await session.stop()
        except BaseException:
            self._end_session()
            await session.abandon()
            raise
        finally:
            self._end_session()
            for task in background:
                task.cancel()

    def _end_session(self) -> None:
        self._session = None
        self._lease.end_session()

    async def _prepare(self, pool: asyncpg.Pool) -> ClusterInfo:
        cluster_info = await cluster.ensure_topics(self._config)
        async with pool.acquire() as connection:
            await database.migrate_schema(connection, self._config, *self._migration_packages)
            await cluster.bind_database(connection, cluster_info, self._config.prefix)
            await lane_store.create_lanes(connection, cluster_info.partitions)
            await lane_store.check_topics(connection, self._processor.topology)
        return cluster_info

    async def _unless_stopped(self, work: Awaitable[ResultT]) -> ResultT | None:
        """Return the result of the work, or cancel it and return None if the stop comes first."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for waiting in (working, stopping):
                waiting.cancel()
            await asyncio.wait({working, stopping})

    async def _wait_before_retry(self, error: Exception) -> None:
        cause = type(error).__name__
        self._metrics.recoveries.labels(cause).inc()
        if not self._backoff.failing:
            log.warning("pipeline interrupted", cause=cause, error=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.next_wait()):
                await self._stopping.wait()

    async def _reset_backoff_when_ready(self) -> None:
        while not self.is_ready:
            await asyncio.sleep(_FIRST_WAIT_SECONDS)
        if self._backoff.failing:
            log.info("pipeline resumed")
        self._backoff.reset()

    async def _prune_outcomes(self, pool: asyncpg.Pool) -> None:
        for round_number in itertools.count():
            if round_number % _ROUNDS_PER_PRUNER == 0:
                pruner = OutcomePruner()
            await asyncio.sleep(_PRUNE_INTERVAL_SECONDS)
            try:
                await self._prune_old(pool, pruner)
            except Exception as error:  # noqa: BLE001 - the pipeline can go on without pruning
                log.warning("pruning outcomes failed", cause=type(error).__name__, error=str(error))

    async def _watch_outbox(self, pool: asyncpg.Pool) -> None:
        oldest_batches = store.OldestBatches()
        while True:
            # An outage of Postgres ends the session; here it leaves the last age in place. So does a table
            # that the first session has yet to create.
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, *_CLIENT_ERRORS):
                async with pool.acquire() as connection:
                    oldest = await oldest_batches.find(connection)
                self._metrics.outbox_oldest_seconds.set(self._outbox_ages.measure(oldest))
            await asyncio.sleep(_OUTBOX_INTERVAL_SECONDS)

    async def _prune_old(self, pool: asyncpg.Pool, pruner: OutcomePruner) -> None:
        """Delete outcomes that no command in the log can need, by the present settings of its topic."""
        commands = [entry.topic for entry in self._processor.topology.inputs if entry.kind == "commands"]
        retention = outcomes.retention_for(await cluster.longest_retention(self._config, commands))
        if retention is None:
            return
        async with pool.acquire() as connection:
            while await pruner.prune_step(connection, retention):
                await asyncio.sleep(_FIRST_WAIT_SECONDS)
