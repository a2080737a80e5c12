"""Stack for the duration of a block."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import asyncpg

from stack import guard, parts, ports, process, services, settings
from stack.parts import Name, Part
from stack.services import Copy
from stack.settings import Keys, Place


class Stack:
    """Kafka, Postgres and LiveKit, or some of them, for the duration of an `async with` block.

    The data are in the folder `root` and are kept; without one they are in a temporary folder. The processes
    end with the block, and also if this process is killed. A component that runs elsewhere by the environment
    is used there, except with `isolated`. LiveKit reports to `livekit_webhook`, by default to the broadcast
    service of `run_services`. `inherited` is the environment without the COHOST_ variables.
    """

    def __init__(
        self,
        root: Path | None = None,
        parts: Iterable[Name] = parts.NAMES,
        livekit_webhook: str | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._wanted = tuple(parts)
        self._settings = settings.load(alone=alone)
        self.inherited = self._settings.inherited
        self._kept_root = root
        self._broadcast_port = ports.choose()
        self._webhook = livekit_webhook or services.webhook(self._broadcast_port)
        self._parts: dict[Name, Part] = {}
        self._processes: dict[Name, process.Process] = {}

    async def __aenter__(self) -> Self:
        self.root = self._kept_root or Path(tempfile.mkdtemp(prefix="cohost-"))
        if self._kept_root is None:
            # The data of Postgres may be a link.
            process.remove_at_death(self.root / "postgres")
            process.remove_at_death(self.root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._keys = settings.load_keys(self.root)
        self.jwt_secret = self._keys.jwt_secret
        given = self._settings.given
        self.livekit_api_key = given.get("COHOST_LIVEKIT_API_KEY", self._keys.livekit_key)
        self.livekit_api_secret = given.get("COHOST_LIVEKIT_API_SECRET", self._keys.livekit_secret)
        try:
            await process.together(*map(self.start, self._wanted))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Kafka's bootstrap servers."""
        return self._address("kafka")

    @property
    def database_url(self) -> str:
        """The superuser's URL of the database `cohost`."""
        return self._address("postgres")

    @property
    def livekit_url(self) -> str:
        """LiveKit's URL, which starts with `ws://` for a local one."""
        return self._address("livekit")

    async def start(self, name: Name) -> None:
        """Start a component unless it runs. Raises `StartError`."""
        if self._settings.elsewhere(name):
            await parts.check(name, self._settings)
        elif name not in self._processes:
            place = Place(self.root, self._settings, self._keys, self._webhook)
            count = len(parts.PORTS[name])
            self._parts[name], self._processes[name] = await parts.start(
                lambda: parts.KINDS[name](place, ports.choose_all((), count))
            )

    async def restart(self, name: Name) -> None:
        """Stop a component and start it again, on the same ports and with its data."""
        await self.process_of(name).stop()
        self._processes[name] = await parts.launch(self._parts[name])

    def process_of(self, name: Name) -> process.Process:
        """Return the process of a component. Raises `LookupError` unless this stack started it."""
        if name not in self._processes:
            message = f"{name} was not started by this stack"
            raise LookupError(message)
        return self._processes[name]

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    @asynccontextmanager
    async def services(
        self, prefix: str, extra_env: Mapping[str, str] | None = None
    ) -> AsyncIterator[services.Running]:
        """Run both services, with this topic prefix and a new database. Raises `StartError`."""
        await self.start("livekit")
        url = await self.create_database(f"services_{secrets.token_hex(6)}")
        keys = Keys(self.jwt_secret, self.livekit_api_key, self.livekit_api_secret)
        shared = services.variables(self.kafka_bootstrap_servers, url, self.livekit_url, keys, prefix)
        environment = {**self.inherited, **shared, **(extra_env or {})}
        async with AsyncExitStack() as ending:

            async def launched(name: str, port: int) -> str:
                copy = Copy(name, (port,), environment, self.root / "services" / f"{name}-{port}.log")
                ending.push_async_callback((await parts.launch(copy)).stop)
                return copy.address

            port = ports.choose()
            ending.callback(ports.give_back, port)
            starting = launched("invitations", port), launched("broadcast", self._broadcast_port)
            invitations, broadcast = await process.together(*starting)
            yield services.Running(invitations, broadcast, self.jwt_secret, prefix)

    def _address(self, name: Name) -> str:
        return self._settings.elsewhere(name) or self._parts[name].address

    async def _end(self) -> None:
        await asyncio.gather(*(running.stop() for running in self._processes.values()))
        ports.give_back(self._broadcast_port, *(port for part in self._parts.values() for port in part.ports))
        if self._kept_root is None:
            for path in (self.root / "postgres", self.root):
                await asyncio.to_thread(guard.remove, path)
