"""Readiness checks of a service: Kafka, the database, its lanes, and parts of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from aiokafka.client import AIOKafkaClient

from messaging.config import Config
from messaging.errors import is_transient
from messaging.pipeline import Pipeline

PartStatus = bool | str
"""True for a part that is ready; False or a word that says why for one that is not."""

ReadinessCheck = Callable[[], Awaitable[PartStatus]]

_CHECK_SECONDS = 2
_CACHE_SECONDS = 1


class Readiness:
    """Check each part, at most once per second."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        pool: asyncpg.Pool,
        extra_checks: Mapping[str, ReadinessCheck],
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._pool = pool
        self._checks: dict[str, ReadinessCheck] = {
            "kafka": self._check_kafka,
            "database": self._check_database,
            **extra_checks,
        }
        self._lock = asyncio.Lock()
        self._results: dict[str, PartStatus] = {}
        self._checked_at = -_CACHE_SECONDS - 1.0

    async def check_parts(self) -> dict[str, PartStatus]:
        """Return the status of each part.

        `lanes` means that the worker consumes, `facts` that it decides nothing on outdated facts.
        """
        async with self._lock:
            if time.monotonic() - self._checked_at > _CACHE_SECONDS:
                answers = await asyncio.gather(*(_run_check(check) for check in self._checks.values()))
                self._results = dict(zip(self._checks, answers, strict=True))
                self._checked_at = time.monotonic()
        return {
            "lanes": self._pipeline.is_ready,
            "facts": self._pipeline.has_read_facts,
            **self._results,
        }

    async def _check_kafka(self) -> bool:
        """Request metadata from a bootstrap server: an open port alone proves little."""
        client = AIOKafkaClient(
            **self._config.kafka.client_options(), request_timeout_ms=1000 * _CHECK_SECONDS
        )
        try:
            await client.bootstrap()
        finally:
            await client.close()
        return True

    async def _check_database(self) -> bool:
        """Return whether the server accepts writes; one that was a primary may have become read-only."""
        async with self._pool.acquire(timeout=_CHECK_SECONDS) as connection:
            return bool(
                await connection.fetchval("SELECT NOT current_setting('transaction_read_only')::boolean")
            )


async def _run_check(check: ReadinessCheck) -> PartStatus:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except Exception as error:
        if not (is_transient(error) or isinstance(error, asyncpg.PostgresError)):
            raise
        return False
