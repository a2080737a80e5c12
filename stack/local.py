"""A stack that lives as long as the block that asked for it."""

import asyncio
import dataclasses
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import asyncpg

from stack import keys, parts, ports, process, services, settings
from stack.livekit import LiveKit
from stack.parts import Name, Part
from stack.place import Place


class Stack:
    """Kafka, Postgres and LiveKit, or some of them, for the length of an `async with` block.

    Data lies under `root`, which is kept; without one it lies in a temporary folder. The processes
    end with the block, and also when this process is killed. `livekit_webhook` is where LiveKit
    reports to; `services` sees to it by itself. A part that the environment says runs elsewhere
    is used where it is, unless the stack is to be `alone`. `measuring` gives a broker that is fast
    in the long run rather than quick to start.
    """

    def __init__(
        self,
        root: Path | None = None,
        parts: Iterable[Name] = parts.NAMES,
        livekit_webhook: str | Iterable[str] | None = None,
        *,
        alone: bool = False,
        measuring: bool = False,
    ) -> None:
        self._wanted = tuple(parts)
        self._webhooks = _webhooks(livekit_webhook)
        self._settings = settings.load(alone=alone)
        self._keep = root is not None
        self._measuring = measuring
        self._root = root
        self._parts: dict[Name, Part] = {}
        self._processes: dict[Name, process.Process] = {}

    async def __aenter__(self) -> Self:
        if self._root is not None:
            self._root.mkdir(parents=True, exist_ok=True)
        self._keys = keys.load(self._root) if self._root is not None else keys.new()
        try:
            await process.together(*map(self.start, self._wanted))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    @property
    def root(self) -> Path:
        """The folder of data and logs."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="cohost-"))
        return self._root

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where Kafka is."""
        return self._address("kafka")

    @property
    def database_url(self) -> str:
        """The superuser's URL of the database `cohost`."""
        return self._address("postgres")

    @property
    def livekit_url(self) -> str:
        """Where LiveKit is, as a `ws://` URL."""
        return self._address("livekit")

    @property
    def livekit_api_key(self) -> str:
        """The key of LiveKit's only user."""
        return self._settings.given.get("COHOST_LIVEKIT_API_KEY", self._keys.livekit_key)

    @property
    def livekit_api_secret(self) -> str:
        """The secret that belongs to the key."""
        return self._settings.given.get("COHOST_LIVEKIT_API_SECRET", self._keys.livekit_secret)

    @property
    def jwt_secret(self) -> str:
        """What the services that this stack starts verify their callers' tokens with."""
        return self._keys.jwt_secret

    async def start(self, name: Name) -> None:
        """Start a part that was not wanted at first; nothing happens if it runs."""
        if parts.elsewhere(name, self._settings):
            await parts.check(name, self._settings)
        elif name not in self._processes:
            self._parts[name], self._processes[name] = await parts.start(lambda: self._make(name))

    async def restart(self, name: Name, livekit_webhook: str | Iterable[str] | None = None) -> None:
        """Start a part anew, on its ports and with its data; LiveKit may be given other webhooks."""
        running, part = self._process(name), self._parts[name]
        await running.stop()
        if livekit_webhook is not None and isinstance(part, LiveKit):
            place = dataclasses.replace(part.place, webhooks=_webhooks(livekit_webhook))
            part = dataclasses.replace(part, place=place)
        self._parts[name], self._processes[name] = part, await parts.launch(part)

    def kill(self, name: Name) -> None:
        """Kill a part as with SIGKILL; `restart` brings it back."""
        self._process(name).kill()

    def pause(self, name: Name) -> None:
        """Stop a part as with SIGSTOP: its connections stay open, and nothing is answered."""
        self._process(name).pause()

    def resume(self, name: Name) -> None:
        """Let a paused part go on."""
        self._process(name).resume()

    def pid(self, name: Name) -> int:
        """Return the pid of a part."""
        return self._process(name).pid

    async def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    def services(
        self,
        prefix: str,
        database_url: str | None = None,
        extra_env: Mapping[str, str] | None = None,
        *,
        invitations: int = 1,
        broadcast: int = 1,
    ) -> AbstractAsyncContextManager[services.Running]:
        """Start so many copies of both services, and give them when all are ready.

        `async with up.services("test1.") as running` makes a database of its own unless one is
        given, and points LiveKit's webhooks at the copies of broadcast, for which it restarts LiveKit
        and ends the rooms on it.
        """
        counts = {"invitations": invitations, "broadcast": broadcast}
        return services.run(self, prefix, database_url, dict(extra_env or {}), counts)

    @property
    def inherited(self) -> Mapping[str, str]:
        """The environment that children get, without any of this product's variables."""
        return self._settings.inherited

    @property
    def kept(self) -> bool:
        """Whether the data outlive the block."""
        return self._keep

    def runs(self, name: Name) -> bool:
        """Tell whether a part was started here, rather than elsewhere or not at all."""
        return name in self._processes

    def _make(self, name: Name) -> Part:
        place = Place(
            self.root, self._settings, self._keys, self._keep, self._webhooks, measuring=self._measuring
        )
        return parts.create(name, place)

    def _address(self, name: Name) -> str:
        elsewhere = parts.elsewhere(name, self._settings)
        return elsewhere or self._parts[name].address

    def _process(self, name: Name) -> process.Process:
        if name not in self._processes:
            message = f"{name} was not started by this stack"
            raise LookupError(message)
        return self._processes[name]

    async def _end(self) -> None:
        await asyncio.gather(*(running.stop() for running in self._processes.values()))
        for part in self._parts.values():
            ports.give_back(*part.ports)
        if self._root is not None and not self._keep:
            await asyncio.to_thread(_remove, self._root)


def _webhooks(urls: str | Iterable[str] | None) -> tuple[str, ...]:
    return (urls,) if isinstance(urls, str) else tuple(urls or ())


def _remove(root: Path) -> None:
    home = root / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
