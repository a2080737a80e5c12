"""A primary and its synchronous standby, which can take its place."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from stack import components, ports, settings
from stack.processes.process import Process, remove_at_exit
from stack.servers.postgres import Postgres
from tests.messaging.pipeline_in_process import wait_until


class PostgresPair:
    """Two running servers; the commits of the primary wait for the standby, so that none is lost."""

    def __init__(self, servers: list[Postgres], processes: list[Process], database: str) -> None:
        self._urls = [urlsplit(server.address)._replace(path=f"/{database}").geturl() for server in servers]
        self.primary_process, self.standby_process = processes

    @property
    def url(self) -> str:
        """The URL that names both servers."""
        first, second = map(urlsplit, self._urls)
        return first._replace(netloc=f"{first.netloc},{second.netloc.rpartition('@')[2]}").geturl()

    async def make_primary_read_only(self) -> None:
        """Let the primary go on and refuse writes, as managed servers do at a switch-over."""
        await self._execute(0, "ALTER SYSTEM SET default_transaction_read_only = on")
        await self._execute(0, "SELECT pg_reload_conf()")
        # A new connection has the setting only once the server has told the others of it.
        await wait_until(self._is_primary_read_only)

    async def _is_primary_read_only(self) -> bool:
        return await self._execute(0, "SHOW default_transaction_read_only") == ["on"]

    async def promote_standby(self) -> None:
        """Make the standby a primary, once it has all that the old one confirmed."""
        await self._execute(1, "SELECT pg_promote()")

    async def replicate_synchronously(self) -> None:
        """Let commits wait for the standby from now on."""
        await self._execute(0, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self._execute(0, "SELECT pg_reload_conf()")
        await wait_until(self._is_synchronous)

    async def _is_synchronous(self) -> bool:
        return "sync" in await self._execute(0, "SELECT sync_state FROM pg_stat_replication")

    async def _execute(self, server: int, statement: str) -> list[object]:
        connection = await asyncpg.connect(self._urls[server])
        try:
            return [row[0] for row in await connection.fetch(statement)]
        finally:
            await connection.close()


@asynccontextmanager
async def running_pair(root: Path) -> AsyncIterator[PostgresPair]:
    """Run a primary with an empty database and its standby."""
    database = f"pair_{secrets.token_hex(6)}"
    servers, processes = [], []
    try:
        for name in ("primary", "standby"):
            folder = root / name
            folder.mkdir()
            remove_at_exit(folder / "postgres")
            context = settings.ComponentContext(
                folder, settings.load_settings(isolated=True), settings.generate_secrets()
            )
            server = Postgres(context, ports.reserve_ports((), 1))
            if servers:
                await server.copy_data(servers[0])
            servers.append(server)
            processes.append(await components.launch_component(server))
            if name == "primary":
                connection = await asyncpg.connect(server.address)
                await connection.execute(f'CREATE DATABASE "{database}"')
                await connection.close()
        pair = PostgresPair(servers, processes, database)
        await pair.replicate_synchronously()
        yield pair
    finally:
        for running in reversed(processes):
            await running.stop()
        ports.release_ports(*(port for server in servers for port in server.ports))
