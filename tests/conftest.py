"""Fixtures for all tests: real servers, a new database and a new topic prefix.

Kafka and Postgres are started once per run and shared by all worker processes of the run.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from cohost.kafka import patches
from stack import Stack, settings

if TYPE_CHECKING:
    from tests import containers

# Times are not asserted: on a busy machine an example, or finding one, may take long.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

_SHARED_COMPONENTS = ("kafka", "postgres")
# Their tests start servers, or processes, without the fixture `stack`.
_FOLDERS_WITH_SERVERS = ("contract", "e2e", "golden", "packaging", "secured", "stack")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SERVER_VARIABLES = ("COHOST_KAFKA_BOOTSTRAP_SERVERS", "COHOST_DATABASE_URL", "COHOST_LIVEKIT_URL")


class _BackgroundStack:
    """A stack in its own thread, for the process that distributes the tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._stack = Stack(components=_SHARED_COMPONENTS)
        self._wait(self._stack.__aenter__())
        self.addresses = {
            "COHOST_KAFKA_BOOTSTRAP_SERVERS": self._stack.kafka_bootstrap_servers,
            "COHOST_DATABASE_URL": self._stack.database_url,
        }

    def stop(self) -> None:
        self._wait(self._stack.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _wait(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()  # type: ignore[arg-type]


_shared = pytest.StashKey["_BackgroundStack | containers.ContainerServers"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compose", action="store_true", help="test the containers of docker-compose.yml")
    parser.addoption("--without-servers", action="store_true", help="run only tests that need no server")
    parser.addoption("--containers", action="store_true", help="run the servers in testcontainers")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip tests/compose unless asked for: `make compose-test` runs it, with Docker, for minutes."""
    return True if collection_path.name == "compose" and not config.getoption("compose") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Kafka, Postgres or LiveKit, if asked for."""
    if config.getoption("without_servers"):
        left_out = [item for item in items if _needs_servers(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _needs_servers(item: pytest.Item) -> bool:
    folders = item.path.relative_to(Path(__file__).parent).parts
    return not set(folders).isdisjoint(_FOLDERS_WITH_SERVERS) or "stack" in getattr(item, "fixturenames", ())


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers of the run; worker processes inherit their addresses through the environment."""
    patches.apply_patches()
    _bypass_proxies()
    if hasattr(config, "workerinput"):
        return
    if config.getoption("containers"):
        config.stash[_shared] = _start_containers()
    elif getattr(config.option, "numprocesses", None):
        config.stash[_shared] = _BackgroundStack()
    else:
        return
    if settings.STACK_VARIABLE in os.environ:
        # The shell has sourced `.stack/env`; tests must not use that stack.
        for name in [name for name in os.environ if name.startswith(settings.VARIABLE_PREFIX)]:
            del os.environ[name]
    os.environ.update(config.stash[_shared].addresses)


def _bypass_proxies() -> None:
    """Connect to this machine without the environment's proxies, which fetching Kafka may need."""
    for name in ("no_proxy", "NO_PROXY"):
        found = os.environ.get(name, "").split(",")
        os.environ[name] = ",".join(dict.fromkeys(host for host in (*found, *_LOOPBACK) if host))


def _start_containers() -> "containers.ContainerServers":
    from tests import containers  # noqa: PLC0415 - only runs with containers need it

    try:
        return containers.ContainerServers()
    except Exception as error:  # noqa: BLE001 - Docker's errors are many
        pytest.exit(f"cannot start the containers asked for by --containers: {error}", returncode=1)


def pytest_report_header(config: pytest.Config) -> str:
    """Report the origin of the servers."""
    if config.getoption("containers"):
        return "servers: Kafka, Postgres and most of broadcast's LiveKit from testcontainers"
    given = [name for name in _SERVER_VARIABLES if name in os.environ and _shared not in config.stash]
    return f"servers: {', '.join(given)} as given, otherwise local processes"


def pytest_unconfigure(config: pytest.Config) -> None:
    if _shared in config.stash:
        config.stash[_shared].stop()


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Kafka and Postgres; `await stack.start("livekit")` adds LiveKit."""
    async with Stack(components=_SHARED_COMPONENTS) as up:
        yield up


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> str:
    return stack.kafka_bootstrap_servers


@pytest.fixture
async def database_url(stack: Stack) -> str:
    return await stack.create_database(f"test_{secrets.token_hex(6)}")


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(4)}."
