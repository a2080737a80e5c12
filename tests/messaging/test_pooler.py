"""PgBouncer in front of Postgres: session mode works, the others are refused."""

import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import asyncpg
import pytest

from messaging import database
from messaging.config import Config
from messaging.errors import IncompatibleDeployment
from services.runtime import startup_checks
from stack import ports, settings
from stack.processes import process
from tests.messaging.pipeline_in_process import running_pipeline
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed (apt-get install pgbouncer)"
)

OpenPooler = Callable[[str], AbstractAsyncContextManager[str]]


@pytest.fixture
def open_pooler(database_url: str) -> OpenPooler:
    """Return a context manager that runs a pooler in a mode and yields the URL through it."""

    @asynccontextmanager
    async def run_pooler(mode: str) -> AsyncIterator[str]:
        folder = Path(tempfile.mkdtemp(prefix="pooler-"))
        (port,) = ports.reserve_ports((), 1)
        url = urlsplit(database_url)
        through = url._replace(netloc=f"{url.username}:{url.password}@{ports.ADDRESS}:{port}").geturl()
        running = process.start_program(pooler_program(folder, url, port, mode))
        try:
            await running.wait_until_ready(lambda: answers(through))
            yield through
        finally:
            await running.stop()
            ports.release_ports(port)
            shutil.rmtree(folder)

    return run_pooler


def pooler_program(folder: Path, url: SplitResult, port: int, mode: str) -> process.Program:
    lines = (
        *("[databases]", f"* = host={url.hostname} port={url.port}", "[pgbouncer]"),
        *(f"listen_addr = {ports.ADDRESS}", f"listen_port = {port}", "unix_socket_dir ="),
        *("auth_type = scram-sha-256", f"auth_file = {folder}/users", f"pool_mode = {mode}"),
        *("default_pool_size = 40", "max_client_conn = 100"),
    )
    (folder / "pooler.ini").write_text("\n".join(lines))
    (folder / "users").write_text(f'"{url.username}" "{url.password}"\n')
    nobody = pwd.getpwnam("nobody")
    user = (nobody.pw_uid, nobody.pw_gid) if os.geteuid() == 0 else None
    for path in (folder, folder / "pooler.ini", folder / "users") if user else ():
        os.chown(path, *(user or ()))
    return process.Program(
        name="PgBouncer",
        command=(PROGRAM or "", str(folder / "pooler.ini")),
        folder=folder,
        log=folder / "log",
        environment=settings.load_settings().inherited,
        user=user,
    )


async def answers(url: str) -> bool:
    """Return whether the pooler takes a login; it has no need of a server connection for that."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError):
        return False
    connection.terminate()
    return True


def fleet_of(kafka: str, url: str, prefix: str) -> WorkerFleet:
    return WorkerFleet(Config(kafka, url, "counter", prefix=prefix, partitions=PARTITIONS))


async def test_a_pooler_in_session_mode_serves_the_pipeline(
    kafka: str, open_pooler: OpenPooler, prefix: str
) -> None:
    async with open_pooler("session") as url:
        fleet = fleet_of(kafka, url, prefix)
        await fleet.create_tables()
        async with running_pipeline(fleet.config):
            await fleet.publish_commands(100)
            await fleet.wait_until_decided()
        report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 100)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_connections_is_refused(
    kafka: str, open_pooler: OpenPooler, prefix: str, mode: str
) -> None:
    async with open_pooler(mode) as url:
        pool = await database.create_pool(Config(kafka, url, "counter", prefix=prefix), size=2)
        for _ in range(2):
            with pytest.raises(IncompatibleDeployment, match=r"pooler .*transaction mode.* session mode"):
                await pool.fetchval("SELECT true")
        pool.terminate()
        with pytest.raises(startup_checks.WrongSetting, match=r"^COHOST_DATABASE_URL: .* session mode"):
            await startup_checks._check_database(url)  # noqa: SLF001 - a part of the checks of a service's start
        # No setting has reached a connection that others are given.
        connection = await asyncpg.connect(url, statement_cache_size=0)
        assert await connection.fetchval("SHOW search_path") == '"$user", public'
        await connection.close()
