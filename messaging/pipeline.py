"""Run a worker: one session after another, with back-off during outages, until it is stopped."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Any, TypeVar

import asyncpg
import structlog

from messaging import database, errors, lanes, outcomes, topology
from messaging.config import Config
from messaging.domain import Domain
from messaging.metrics import Metrics
from messaging.session import Session
from messaging.topology import Topology

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0
_PRUNE_SECONDS = 60
_STOP_SECONDS = 9

log = structlog.get_logger()

ResultT = TypeVar("ResultT")


class Pipeline:
    """Consumes, decides, commits and publishes for one service.

    `migration_packages` are packages whose `sql/` is applied to the service's schema after the pipeline's.
    """

    def __init__(
        self, config: Config, domain: Domain[Any], metrics: Metrics, migrations: tuple[str, ...] = ()
    ) -> None:
        self._config = config
        self._domain = domain
        self._metrics = metrics
        self._migrations = ("messaging", *migrations)
        self._stopping = asyncio.Event()
        self._session: Session | None = None
        self._wait = _FIRST_WAIT

    @property
    def ready(self) -> bool:
        """Return whether the worker is connected and reads every lane that is assigned to it."""
        return self._session is not None and self._session.open and not self._session.failure.done()

    @property
    def lanes(self) -> frozenset[int]:
        """Return the lanes that are owned and read now."""
        return frozenset(self._session.lanes) if self._session is not None and self.ready else frozenset()

    def confirmed(self, lane: int) -> float:
        """Return `time.monotonic()` of the lane's last lease renewal, or 0.0 if the lane is not owned."""
        owned = self._session.lanes.get(lane) if self._session is not None else None
        return owned.confirmed if owned is not None else 0.0

    def stop(self) -> None:
        """Make `run` finish its session and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Run sessions until stopped. Outages are retried; their begin and end are logged once each.

        Raises `IncompatibleDeployment` if cluster, database and topics do not fit together.
        """
        pool = await database.pool(self._config, size=6)
        try:
            while not self._stopping.is_set():
                try:
                    await self._live(pool)
                except Exception as error:
                    if not errors.worth_retrying(error):
                        raise
                    await self._recover(error)
        finally:
            pool.terminate()

    async def _live(self, pool: asyncpg.Pool) -> None:
        """Run one session until the stop. Raises the error that ends the session."""
        found = await self._unless_stopped(self._prepare(pool))
        if found is None:
            return
        session = Session(self._config, found, self._domain, pool, self._metrics)
        self._session = session
        background = [asyncio.create_task(self._prune(pool)), asyncio.create_task(self._recovered())]
        try:
            await self._unless_stopped(session.start())
            await self._unless_stopped(asyncio.shield(session.failure))
            async with asyncio.timeout(_STOP_SECONDS):
                await session.stop()
        except BaseException:
            self._session = None
            await session.abandon()
            raise
        finally:
            self._session = None
            for task in background:
                task.cancel()

    async def _prepare(self, pool: asyncpg.Pool) -> Topology:
        found = await topology.ensure(self._config)
        async with pool.acquire() as connection:
            await database.migrate(connection, self._config, *self._migrations)
            await topology.remember(connection, found, self._config.prefix)
            layout = self._domain.layout
            await lanes.create(connection, found.partitions, len(layout.inputs), len(layout.outputs))
        return found

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

    async def _recover(self, error: Exception) -> None:
        cause = type(error).__name__
        self._metrics.recoveries.labels(cause).inc()
        if self._wait == _FIRST_WAIT:
            log.warning("pipeline interrupted", cause=cause, error=str(error))
        try:
            async with asyncio.timeout(self._wait * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter
                await self._stopping.wait()
        except TimeoutError:
            self._wait = min(_LONGEST_WAIT, 2 * self._wait)

    async def _recovered(self) -> None:
        while not self.ready:
            await asyncio.sleep(_FIRST_WAIT)
        if self._wait != _FIRST_WAIT:
            log.info("pipeline resumed")
        self._wait = _FIRST_WAIT

    async def _prune(self, pool: asyncpg.Pool) -> None:
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            try:
                async with pool.acquire() as connection:
                    while await outcomes.prune(connection):
                        await asyncio.sleep(_FIRST_WAIT)
            except Exception as error:  # noqa: BLE001 - the pipeline can go on without pruning
                log.warning("pruning outcomes failed", cause=type(error).__name__, error=str(error))
