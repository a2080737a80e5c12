"""Find out whether a pooler keeps a server connection for a client's whole session."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg

from messaging.errors import IncompatibleDeployment

_LOOKS = 5
# What a statement gives that was prepared on one server connection and is used on another.
_SHARING_ERRORS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
_OWN_PROCESS = "SELECT pg_backend_pid()"


async def require_session_mode(
    open_connection: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]],
) -> None:
    """Raise `IncompatibleDeployment` if the pooler shares a server connection between transactions.

    The settings of this session would then reach other clients and be lost here.
    """
    try:
        is_shared = await _is_shared(open_connection)
    except _SHARING_ERRORS:
        is_shared = True
    except asyncpg.PostgresConnectionError as error:
        # PgBouncer's statement mode closes a connection that begins a transaction.
        if "statement pooling" not in str(error):
            raise
        is_shared = True
    if is_shared:
        msg = (
            "the pooler in front of Postgres shares connections between transactions (transaction mode), so"
            " that the settings of a session reach other clients; use its session mode, or connect directly"
        )
        raise IncompatibleDeployment(msg, setting="database_url")


async def _is_shared(open_connection: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]) -> bool:
    async with AsyncExitStack() as opened:
        first, second = [await open_connection() for _ in range(2)]
        for connection in (first, second):
            opened.callback(connection.terminate)
        pid = await first.fetchval(_OWN_PROCESS)
        # In transaction mode the server connection of the first is free now, and the second is given it.
        async with second.transaction():
            if await second.fetchval(_OWN_PROCESS) == pid:
                return True
            return any([await first.fetchval(_OWN_PROCESS) != pid for _ in range(_LOOKS)])
