"""Readiness checks of a process: Kafka, the database, its lanes, and parts of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import asyncpg
from aiokafka.client import AIOKafkaClient

from cohost.kafka.connection import KafkaConnection
from messaging.errors import is_transient
from messaging.pipeline import Pipeline

PartStatus = bool | str
"""True for a part that is ready; False or a word that says why for one that is not."""

ReadinessCheck = Callable[[], Awaitable[PartStatus]]

_CHECK_SECONDS = 2
_CACHE_SECONDS = 1


class Readiness:
    """Check each part, at most once per second; `read_state` returns further parts, at every request."""

    def __init__(
        self, checks: Mapping[str, ReadinessCheck], read_state: Callable[[], dict[str, PartStatus]]
    ) -> None:
        self._checks = checks
        self._read_state = read_state
        self._lock = asyncio.Lock()
        self._results: dict[str, PartStatus] = {}
        self._checked_at = -_CACHE_SECONDS - 1.0
        self._checking: asyncio.Task[dict[str, PartStatus]] | None = None

    async def check_parts(self) -> dict[str, PartStatus]:
        """Return the status of each part."""
        async with self._lock:
            if time.monotonic() - self._checked_at > _CACHE_SECONDS:
                answers = await asyncio.gather(*(_run_check(check) for check in self._checks.values()))
                self._results = dict(zip(self._checks, answers, strict=True))
                self._checked_at = time.monotonic()
        return {**self._read_state(), **self._results}

    def last_parts(self) -> dict[str, PartStatus]:
        """Return the status of each part as far as it is known, and start to check all of them.

        It does not wait: a part that is away takes as long as its check may.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self.check_parts())
        return {**self._read_state(), **self._results}


def pipeline_readiness(
    kafka: KafkaConnection,
    pipeline: Pipeline,
    pool: asyncpg.Pool,
    extra_checks: Mapping[str, ReadinessCheck] | None = None,
) -> Readiness:
    """Return the readiness of a service with a pipeline.

    `lanes` means that the worker consumes, `facts` that it decides nothing on outdated facts.
    """
    checks: dict[str, ReadinessCheck] = {
        "kafka": partial(check_kafka, kafka),
        "database": partial(_check_database, pool),
        **(extra_checks or {}),
    }
    return Readiness(checks, lambda: {"lanes": pipeline.is_ready, "facts": pipeline.has_read_facts})


async def check_kafka(kafka: KafkaConnection) -> bool:
    """Request metadata from a bootstrap server: an open port alone proves little."""
    client = AIOKafkaClient(**kafka.client_options(), request_timeout_ms=1000 * _CHECK_SECONDS)
    try:
        await client.bootstrap()
    finally:
        await client.close()
    return True


async def _check_database(pool: asyncpg.Pool) -> bool:
    """Return whether the server accepts writes; one that was a primary may have become read-only."""
    async with pool.acquire(timeout=_CHECK_SECONDS) as connection:
        return bool(await connection.fetchval("SELECT NOT current_setting('transaction_read_only')::boolean"))


async def _run_check(check: ReadinessCheck) -> PartStatus:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except Exception as error:
        if not (is_transient(error) or isinstance(error, asyncpg.PostgresError)):
            raise
        return False
