"""Readiness of the service, part by part."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from aiokafka.client import AIOKafkaClient

from messaging.config import Config
from messaging.errors import is_transient
from messaging.pipeline import Pipeline

Check = Callable[[], Awaitable[bool]]

_SECONDS = 2
_FRESH_SECONDS = 1


class Readiness:
    """Check each part, at most once per second."""

    def __init__(
        self, config: Config, pipeline: Pipeline, pool: asyncpg.Pool, more: Mapping[str, Check]
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._pool = pool
        self._checks: dict[str, Check] = {"kafka": self._kafka, "database": self._database, **more}
        self._asking = asyncio.Lock()
        self._known: dict[str, bool] = {}
        self._asked = -_FRESH_SECONDS - 1.0

    async def parts(self) -> dict[str, bool]:
        """Return for each part whether it is ready; `lanes` means that the worker consumes."""
        async with self._asking:
            if time.monotonic() - self._asked > _FRESH_SECONDS:
                answers = await asyncio.gather(*(_bounded(check) for check in self._checks.values()))
                self._known = dict(zip(self._checks, answers, strict=True))
                self._asked = time.monotonic()
        return {"lanes": self._pipeline.is_ready, **self._known}

    async def _kafka(self) -> bool:
        """Request metadata from a bootstrap server: an open port alone proves little."""
        client = AIOKafkaClient(**self._config.client_options(), request_timeout_ms=1000 * _SECONDS)
        try:
            await client.bootstrap()
        finally:
            await client.close()
        return True

    async def _database(self) -> bool:
        async with self._pool.acquire(timeout=_SECONDS) as connection:
            return bool(await connection.fetchval("SELECT true"))


async def _bounded(check: Check) -> bool:
    try:
        async with asyncio.timeout(_SECONDS):
            return await check()
    except Exception as error:
        if not (is_transient(error) or isinstance(error, asyncpg.PostgresError)):
            raise
        return False
