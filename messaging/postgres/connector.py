"""Connect to the server of a database URL that accepts writes."""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import asyncpg

from messaging import errors
from messaging.postgres import pooler
from messaging.postgres.url import parse_database_url

PostgresConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# How long a server may take before the next one is tried beside it.
_STAGGER_SECONDS = 0.25
# Postgres reports each change of these settings to its clients.
_READ_ONLY_SETTINGS = ("in_hot_standby", "default_transaction_read_only")


def is_read_only(connection: PostgresConnection) -> bool:
    """Return whether the server has reported that it accepts no writes; no query is needed for that."""
    reported = connection.get_settings()
    return any(getattr(reported, name, "off") == "on" for name in _READ_ONLY_SETTINGS)


class Connector:
    """Opens connections to the first server of a URL that accepts writes, with these settings.

    The settings are sent after the start, because poolers refuse them as parameters of the start.
    """

    def __init__(self, url: str, application_name: str, settings: Mapping[str, str] | None = None) -> None:
        self._url = parse_database_url(url)
        self._application_name = self._url.application_name or application_name
        self._settings = settings or {}
        self._is_pooler_checked = False

    async def connect(
        self,
        dsn: str | None = None,  # noqa: ARG002 - asyncpg's pool passes it
        **options: Any,
    ) -> PostgresConnection:
        """Return a new connection; `options` are further arguments of `asyncpg.connect`.

        Raises the error of the last server that was tried, `ReadOnlySQLTransactionError` if it accepts no
        writes, and `IncompatibleDeployment` behind a pooler that gives each transaction another connection.
        """
        untried = list(self._url.servers)
        attempts: set[asyncio.Task[PostgresConnection]] = set()
        try:
            while True:
                if untried:
                    attempts.add(asyncio.create_task(self._open_session(untried.pop(0), options)))
                done, _ = await asyncio.wait(
                    attempts,
                    timeout=_STAGGER_SECONDS if untried else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in done:
                    attempts.discard(attempt)
                    error = attempt.exception()
                    if error is None:
                        return attempt.result()
                    if not (errors.is_transient(error) and (untried or attempts)):
                        raise error
        finally:
            await _abandon_attempts(attempts)

    async def _open_session(
        self, server: Mapping[str, Any], options: Mapping[str, Any]
    ) -> PostgresConnection:
        async with asyncio.timeout(self._url.connect_seconds):
            connection = await self._open(server, options)
            try:
                await self._prepare_session(connection, server)
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def _open(self, server: Mapping[str, Any], options: Mapping[str, Any]) -> PostgresConnection:
        connection: Any = await asyncpg.connect(
            **self._url.arguments,
            **server,
            **options,
            server_settings={"application_name": self._application_name},
        )
        transport: asyncio.Transport = connection._transport  # noqa: SLF001 - asyncpg has no public way to it
        opened_socket = transport.get_extra_info("socket")
        for option in self._url.socket_options if opened_socket.family != socket.AF_UNIX else ():
            opened_socket.setsockopt(*option)
        opened: PostgresConnection = connection
        return opened

    async def _prepare_session(self, connection: PostgresConnection, server: Mapping[str, Any]) -> None:
        pid, refuses_writes = await connection.fetchrow(
            "SELECT pg_backend_pid(), current_setting('transaction_read_only')::boolean"
        ) or (None, None)
        if refuses_writes:
            msg = "the server accepts no writes"
            raise asyncpg.ReadOnlySQLTransactionError(msg)
        # A pooler gives its clients process ids of its own.
        if pid != connection.get_server_pid() and not self._is_pooler_checked:
            await pooler.require_session_mode(lambda: self._open(server, {"statement_cache_size": 0}))
            self._is_pooler_checked = True
        await connection.execute(
            "SELECT count(set_config(name, value, false))"
            " FROM unnest($1::text[], $2::text[]) AS new (name, value)",
            list(self._settings),
            list(self._settings.values()),
        )


async def _abandon_attempts(attempts: Iterable[asyncio.Task[PostgresConnection]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for opened in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(opened, BaseException):
            opened.terminate()
